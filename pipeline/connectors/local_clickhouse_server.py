"""Becomes ClickHouse's server: `python local_clickhouse_server.py LIBCHDB CONFIG DATA HTTP_PORT TCP_PORT`.

The library holds the whole server; its command-line entry opens the ports and then a query that never ends keeps it up.
It runs until it is killed: parts on disk are whole at every moment.
"""

import ctypes
import sys

SERVE = (
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
    "SELECT sleepEachRow(3) FROM system.numbers SETTINGS max_block_size = 1 FORMAT Null"
)


def serve(library: str, config: str, data: str, http_port: str, tcp_port: str) -> str:
    """Returns only when the server could not start: why."""
    chdb = ctypes.CDLL(library)
    chdb.chdb_query_cmdline.restype = ctypes.c_void_p
    chdb.chdb_query_cmdline.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]
    chdb.chdb_result_error.restype = ctypes.c_char_p
    chdb.chdb_result_error.argtypes = [ctypes.c_void_p]
    where = [f"--config-file={config}", f"--path={data}"]
    ports = ["--listen_host=127.0.0.1", f"--http_port={http_port}", f"--tcp_port={tcp_port}"]
    arguments = [text.encode() for text in ("clickhouse", *where, *ports, "--query", SERVE)]
    result = chdb.chdb_query_cmdline(len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
    return (chdb.chdb_result_error(result) or b"").decode(errors="replace") if result else ""


if __name__ == "__main__":
    sys.exit(serve(*sys.argv[1:]) or "ClickHouse ended")
