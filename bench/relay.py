"""A way to a PostgreSQL socket that counts what goes through it; for counting, not for timing."""
import socket
import threading


class Relay:
    """Listens on a socket in `folder`, as PostgreSQL would with port 5432; `up` and `down` are bytes to and from the server."""

    def __init__(self, folder, server):
        folder.mkdir()
        self.folder, self.server, self.up, self.down = folder, str(server / ".s.PGSQL.5432"), 0, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / ".s.PGSQL.5432"))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.server)
            threading.Thread(target=self._carry, args=(client, server, "up"), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, "down"), daemon=True).start()

    def _carry(self, source, sink, way):
        try:
            while block := source.recv(1 << 18):
                sink.sendall(block)
                setattr(self, way, getattr(self, way) + len(block))  # one thread per way and connection
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
