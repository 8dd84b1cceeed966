"""Concepts: a few directions among a layer's channels whose non-negative sums are its activations."""

from interp.features.concepts.bank import ConceptBank, ConceptExample, concepts_of
from interp.features.concepts.craft import ClassConcepts, craft, predicted_as
from interp.features.concepts.factorise import Factors, encode, factorise
from interp.features.concepts.picture import PictureConcepts, deep_feature_factorisation
from interp.features.concepts.sobol import total_sobol_indices

__all__ = [
    "ClassConcepts",
    "ConceptBank",
    "ConceptExample",
    "Factors",
    "PictureConcepts",
    "concepts_of",
    "craft",
    "deep_feature_factorisation",
    "encode",
    "factorise",
    "predicted_as",
    "total_sobol_indices",
]
