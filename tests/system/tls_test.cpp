// TLS is libpq's, and asked for as the user says: who the server is, and what is said before it.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/fault.hpp"
#include "tests/support/postgres_files.hpp"
#include "tests/system/small_source.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

namespace {

namespace fs = std::filesystem;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

/// A socket on loopback; the kernel chooses the port.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  void listen() { REQUIRE(::listen(socket_.get(), 5) == 0); }
  /// One client's way to the server on `port` that slips `bytes` in behind the answer to its first
  /// question, of eight bytes. Until one of them hangs up; the question.
  [[nodiscard]] std::string slip_in(const std::string& bytes, const std::string& port) const {
    const int client = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
    static_cast<void>(::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address));
    std::string asked(8, '\0'), answer(1, '\0');
    static_cast<void>(::recv(client, asked.data(), asked.size(), MSG_WAITALL));
    static_cast<void>(::send(server, asked.data(), asked.size(), MSG_NOSIGNAL));
    static_cast<void>(::recv(server, answer.data(), answer.size(), MSG_WAITALL));
    answer += bytes;
    static_cast<void>(::send(client, answer.data(), answer.size(), MSG_NOSIGNAL));
    std::array<pollfd, 2> ends{pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    for (bool open = true; open && ::poll(ends.data(), 2, 20'000) > 0;)
      for (std::size_t i = 0; i < 2; ++i) {
        if (ends[i].revents == 0) continue;
        std::array<char, 4'096> buffer{};
        const ssize_t size = ::recv(ends[i].fd, buffer.data(), buffer.size(), 0);
        open = open && size > 0;
        if (size > 0)
          static_cast<void>(
              ::send(ends[1 - i].fd, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL));
      }
    ::close(client);
    ::close(server);
    return asked;
  }
  [[nodiscard]] std::string port() const { return std::to_string(port_); }

 private:
  Descriptor socket_;
  int port_ = 0;
};

std::string free_port() {
  return Listener().port();
}

/// For the server that is started, and for libpq in this program.
struct DefaultPort {
  explicit DefaultPort(const std::string& port) { ::setenv("PGPORT", port.c_str(), 1); }
  ~DefaultPort() { ::unsetenv("PGPORT"); }
};

/// A server on loopback TCP with TLS, whose certificate openssl makes.
class TlsServer {
 public:
  TlsServer() : port_(free_port()), default_(port_) {
    server_ = std::make_unique<PostgresServer>(
        std::vector<std::string>{"listen_addresses=127.0.0.1", "log_connections=on"});
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=lockstep-ca -days "
        "2");
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout x.key -out other.crt -subj /CN=other-ca -days "
        "2");
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    sign("good.crt", "1");
    sign("expired.crt", "-1");
    query(
        "SET password_encryption = 'scram-sha-256';"
        "CREATE ROLE owner LOGIN PASSWORD 'tls-secret'; CREATE ROLE trusted LOGIN");
    query("CREATE DATABASE tls OWNER owner");
    write_file(server_->data_folder() / "pg_hba.conf",
               "local all all trust\nhost all trusted 127.0.0.1/32 trust\n"
               "host all all 127.0.0.1/32 scram-sha-256\n");
    fs::copy_file(keys_.file("server.key"), server_->data_folder() / "server.key");
    give_to_server_user(server_->data_folder());
    fs::permissions(server_->data_folder() / "server.key", fs::perms::owner_read);
    use("good.crt");
    tls(true);
  }
  void use(const std::string& certificate) {
    write_file(server_->data_folder() / "server.crt", contents(keys_.file(certificate)));
    give_to_server_user(server_->data_folder());
    reload();
  }
  void tls(bool on) {
    query(fmt::format("ALTER SYSTEM SET ssl = {}", on ? "on" : "off"));
    reload();
  }
  /// A target on this server, over TCP.
  [[nodiscard]] std::string target(const std::string& host, const std::string& more,
                                   const std::string& user = "owner password=tls-secret") const {
    return fmt::format("host={} hostaddr=127.0.0.1 port={} dbname=tls user={} {}", host, port_,
                       user, more);
  }
  [[nodiscard]] const std::string& port() const { return port_; }
  [[nodiscard]] std::string ca(const std::string& name) const {
    return "sslrootcert=" + keys_.file(name);
  }
  void query(const std::string& sql) const { server_->query(sql); }

 private:
  void openssl(const std::string& arguments) const {
    require_code(
        run({"sh", "-c", "cd \"$1\" && openssl " + arguments, "sh", keys_.path().string()}), 0);
  }
  void sign(const std::string& name, const std::string& days) const {
    openssl(fmt::format(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days {} -out {}", days,
        name));
  }
  // The postmaster reads its files when a signal comes; when it has, new connections show it.
  void reload() const {
    const std::string before = server_->value("SELECT pg_conf_load_time()");
    query("SELECT pg_reload_conf()");
    REQUIRE(
        wait_until([&] { return server_->value("SELECT pg_conf_load_time()") != before; }, 10s));
  }

  TempDir keys_;
  std::string port_;
  DefaultPort default_;
  std::unique_ptr<PostgresServer> server_;
};

void refused(const std::string& file, const std::string& target, std::string_view code,
             std::string_view why) {
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = lockstep({"run", file, target, "--until", "caught-up"});
  INFO(target << "\n" << everything(outcome));
  CHECK(outcome.status == ExitStatus{.code = 5});
  CHECK(has(outcome.error_output, code));
  CHECK(has(outcome.error_output, why));
  CHECK(std::chrono::steady_clock::now() - begin < 8s);
  CHECK(sqlite(file, "SELECT count(*) FROM sqlite_master WHERE name LIKE '%lockstep%'")[0] == "0");
}

}  // namespace

TEST_CASE("with sslmode=verify-full only the server of the certificate is spoken to", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  TlsServer server;
  const std::string full = "sslmode=verify-full " + server.ca("ca.crt");
  refused(file, server.target("db.example", full), "LS-T207", "db.example");
  refused(file, server.target("localhost", "sslmode=verify-full " + server.ca("other.crt")),
          "LS-T207", "certificate verify failed");
  refused(file, server.target("localhost", full + " channel_binding=require", "trusted"), "LS-T207",
          "channel binding");
  server.use("expired.crt");
  refused(file, server.target("localhost", full), "LS-T207", "certificate verify failed");
  server.use("good.crt");
  server.tls(false);
  refused(file, server.target("localhost", full), "LS-T207", "does not support SSL");
  server.tls(true);

  Listener silent;
  silent.listen();
  refused(
      file,
      fmt::format(
          "host=localhost hostaddr=127.0.0.1 port={} dbname=tls user=owner connect_timeout=1 {}",
          silent.port(), full),
      "LS-T201", "timeout");

  const std::string right = server.target("localhost", full + " channel_binding=require");
  require_code(lockstep({"run", file, right, "--until", "caught-up", "--schema", "copied"}), 0);
  require_code(lockstep({"verify", file, right}), 0);
  saw_fault(
      "H14",
      "REFUSE: LS-T207 for a wrong name, authority, date or no TLS; channel_binding=require holds");
}

// Between the client's question for TLS and its handshake somebody could slip something in; and
// GSS, asked for first, would be one more such question.
TEST_CASE("what comes before TLS is not believed", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  const TlsServer server;
  Listener between;
  between.listen();
  std::string asked;
  std::thread passing_on(
      [&] { asked = between.slip_in(std::string("Z\x00\x00\x00\x05I", 6), server.port()); });
  refused(file,
          fmt::format("host=localhost hostaddr=127.0.0.1 port={} dbname=tls user=owner "
                      "password=tls-secret sslmode=verify-full {}",
                      between.port(), server.ca("ca.crt")),
          "LS-T207", "received unencrypted data after SSL response");
  passing_on.join();
  const std::string ssl_request("\x00\x00\x00\x08\x04\xd2\x16\x2f", 8);
  CHECK(asked == ssl_request);
  saw_fault("H15", "REFUSE: LS-T207 for bytes before TLS; GSS is not asked for");
}

}  // namespace lockstep::test
