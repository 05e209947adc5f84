"""An authority and certificates it signed, for tests of TLS; made with the openssl program."""

from pathlib import Path

from tests.support.tools import run_tool


def authority(folder: Path, name: str = "ca") -> Path:
    """Make an authority; return its certificate, the key lies beside it."""
    certificate = folder / f"{name}.crt"
    run_tool(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "30", "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
        "-out", certificate,
    )  # fmt: skip
    return certificate


def signed(
    folder: Path, name: str, by: Path, names: str = "IP:127.0.0.1", days: int = 30
) -> tuple[Path, Path]:
    """Make a certificate for these names signed by an authority; return it and its key."""
    certificate, key, asked = (folder / f"{name}.{kind}" for kind in ("crt", "key", "csr"))
    extension = folder / f"{name}.ext"
    extension.write_text(f"subjectAltName={names}\n")
    run_tool(
        "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", f"/CN={name}", "-keyout", key, "-out", asked,
    )  # fmt: skip
    run_tool(
        "openssl", "x509", "-req", "-in", asked, "-CA", by, "-CAkey", by.with_suffix(".key"),
        "-CAcreateserial", "-days", str(days), "-extfile", extension, "-out", certificate,
    )  # fmt: skip
    return certificate, key
