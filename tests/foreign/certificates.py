"""Certificates for the tests of TLS, made by OpenSSL's program in a directory of the run's own."""

import hashlib
import os
import ssl
import subprocess
import tempfile

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


class Certificates:
    """A CA; `server` and `client`, which it has issued; `stranger`, which signs itself."""

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="sockeye-tls-")
        self.directory = self._directory.name
        self.ca = self.path("ca.pem")
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._run("req", "-x509", *new, "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
        stranger = ["-keyout", "stranger.key", "-out", "stranger.pem", "-addext", NAMES]
        self._run("req", "-x509", *new, "-subj", "/CN=stranger", *stranger)
        # One of each kind of key: an RSA server and an ECDSA client.
        rsa = ["-newkey", "rsa:2048", "-nodes"]
        for name, kind in (("server", rsa), ("client", new)):
            request = ["-keyout", f"{name}.key", "-out", f"{name}.csr", "-addext", NAMES]
            self._run("req", *kind, "-subj", f"/CN={name}", *request)
            issue = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
            files = ["-in", f"{name}.csr", "-out", f"{name}.pem"]
            self._run("x509", "-req", *files, *issue, "-copy_extensions", "copy")

    def path(self, name):
        return os.path.join(self.directory, name)

    def pair(self, name):
        return self.path(f"{name}.pem"), self.path(f"{name}.key")

    def fingerprint(self, name):
        with open(self.path(f"{name}.pem")) as file:
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest().upper()
        return ":".join(digest[i : i + 2] for i in range(0, 64, 2))

    def _run(self, *args):
        made = subprocess.run(["openssl", *args], cwd=self.directory, capture_output=True, text=True)
        if made.returncode:
            raise AssertionError(f"openssl {args}: {made.stderr}")
