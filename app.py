"""The explorer: `streamlit run app.py`, or `interp app`."""

from interp.explorer import main

main()
