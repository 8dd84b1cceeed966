"""What people take away is there when the browser comes for it."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def _page() -> None:
    import streamlit as st
    from streamlit import runtime

    from interp.explorer.taking import Download, offer

    offer(Download("Map", "map.npz", "application/octet-stream", lambda: b"values"), "map")
    files = runtime.get_instance().media_file_mgr
    (asked,) = files._deferred_callables
    address = files.execute_deferred(asked)
    for _ in range(3):  # runs of other visitors that end
        files.remove_orphaned_files()
    kept = files.read_file(address.rsplit("/", 1)[-1].split(".")[0])
    st.write("gone" if kept is None else kept.content.decode())
    files.clear_session_refs()  # the visitor's next run begins
    files.remove_orphaned_files()
    files.remove_orphaned_files()
    st.write("gone" if files.read_file(address.rsplit("/", 1)[-1].split(".")[0]) is None else "kept")


def test_a_file_waits_for_its_visitor_whoever_else_is_there():
    app = AppTest.from_function(_page).run()
    assert not app.exception
    assert [each.value for each in app.markdown] == ["values", "gone"]
