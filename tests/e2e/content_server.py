"""content_server - HTTP/1.1 whose bodies are encoded as the path says: python3 content_server.py PORT.

    /gzip/N  /deflate/N  /raw/N  /br/N  /zstd/N  /gzip,br/N  /bomb     N bytes of text; `text(N)` is what they are
"""
import gzip
import http.server
import sys
import zlib

ADDRESS = "10.83.0.2"


def text(size):
    return ("".join("line %d of a text that is easily made smaller\n" % i for i in range(size // 40 + 1)))[:size].encode()


def encode(coding, data):
    if coding == "gzip":
        return gzip.compress(data)
    if coding == "deflate":
        return zlib.compress(data)
    if coding == "raw":
        return zlib.compress(data)[2:-4]
    if coding == "br":
        import brotli
        return brotli.compress(data)
    import zstandard
    return zstandard.ZstdCompressor().compress(data)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        codings, size = self.path[1:].split("/") if "/" in self.path[1:] else ("gzip", str(64 << 20))
        data = text(int(size)) if self.path != "/bomb" else bytes(64 << 20)
        for coding in codings.split(","):
            data = encode(coding, data)
        self.send_response(200)
        self.send_header("Content-Encoding", codings.replace("raw", "deflate").replace(",", ", "))
        if len(data) % 2:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if len(data) % 2:
            for at in range(0, len(data), 1000):
                piece = data[at:at + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(data)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *unused):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer((ADDRESS, int(sys.argv[1])), Handler).serve_forever()
