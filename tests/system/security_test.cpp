// Who the server is, who may read what we leave behind, and where a password turns up.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include "tests/support/fault.hpp"
#include "tests/support/postgres_files.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

namespace {

namespace fs = std::filesystem;
constexpr char kCanary[] = "CANARY-7f3a";

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

std::string small_source(const TempDir& folder) {
  std::string file = folder.file("app.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT);"
         "INSERT INTO notes VALUES (1, 'one')");
  return file;
}

unsigned mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::lstat(path.c_str(), &about) == 0);
  return about.st_mode & 0777U;
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

TEST_CASE("what lockstep leaves on disk is its owner's alone, whatever the umask", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  const std::string socket = folder.file("app.sock");
  Process capture({"sh", "-c", "umask 0; ulimit -c unlimited; exec \"$@\"", "sh", LOCKSTEP_BINARY,
                   "capture", file, "--listen", "ipc://" + socket},
                  clean());
  REQUIRE(wait_until([&] { return fs::exists(socket) && fs::exists(file + "-lockstep"); }, 20s));
  CHECK(mode_of(file + "-lockstep") == 0600);
  CHECK((mode_of(socket) & 077U) == 0);
  const std::string limits = contents(fmt::format("/proc/{}/limits", capture.pid()));
  const std::size_t core = limits.find("Max core file size");
  REQUIRE(core != std::string::npos);
  CHECK(limits.substr(core, 50).find_first_of("123456789u") == std::string::npos);
  capture.signal(SIGTERM);
  CHECK(capture.wait_or_throw(20s) == ExitStatus{.code = 143});
  saw_fault("H16", "GO: lock file and socket are its owner's alone, no core dump");
}

TEST_CASE("another process of the same user cannot read the environment", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  ProcessOptions options{.environment = {std::string("PGPASSWORD=") + kCanary}};
  if (const auto user = server_user()) {
    options.user = user->user;
    options.group = user->group;
    give_to_server_user(folder.path());
  }
  ProcessOptions reader = options;
  const std::string socket = "ipc://" + folder.file("app.sock");
  const auto capture = start_lockstep({"capture", file, "--listen", socket}, options);
  REQUIRE(wait_until([&] { return fs::exists(file + "-lockstep"); }, 20s));
  const Outcome read = run({"cat", fmt::format("/proc/{}/environ", capture->pid())}, reader);
  INFO(everything(read));
  CHECK(read.status == ExitStatus{.code = 1});
  CHECK_FALSE(has(read.output, kCanary));
  CHECK(has(read.error_output, "Permission denied"));
  saw_fault("H16", "GO: /proc/PID/environ is closed to others of the same user");
}

TEST_CASE("a lock file that leads elsewhere or belongs to somebody else is refused", "[system]") {
  const TempDir folder;
  const std::string file = small_source(folder);
  const std::string lock = file + "-lockstep";
  const std::string precious = folder.file("precious");
  write_file(precious, "precious");
  const auto refused_by_name = [&] {
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"run", file, "host=/nowhere"},
          {"capture", file, "--listen", "ipc:///tmp/none"},
          {"status", file},
          {"remove", file}}) {
      const Outcome outcome = lockstep(command);
      INFO(command[0] << ": " << everything(outcome));
      CHECK(outcome.status == ExitStatus{.code = 3});
      CHECK(has(outcome.error_output, "LS-S331"));
    }
    CHECK(contents(precious) == "precious");
  };
  fs::create_symlink(precious, lock);
  refused_by_name();
  fs::remove(lock);
  REQUIRE(::mkfifo(lock.c_str(), 0600) == 0);
  refused_by_name();
  fs::remove(lock);
  if (::geteuid() == 0) {
    write_file(lock, "");
    REQUIRE(::chown(lock.c_str(), 12'345, 12'345) == 0);
    refused_by_name();
  }
  saw_fault("H17", "REFUSE: LS-S331 for a lock file that is a link, a FIFO or another user's");
}

TEST_CASE("a password in the connection string is seen by the server's login alone", "[system]") {
  PostgresServer server(
      {"log_connections=on", "log_disconnections=on", "log_error_verbosity=verbose"});
  server.query(fmt::format("CREATE ROLE owner LOGIN PASSWORD '{}'", kCanary));
  server.create_database("shop", "OWNER owner");
  server.query("ALTER SYSTEM SET log_statement = 'all'");
  write_file(server.data_folder() / "pg_hba.conf",
             "local all postgres trust\nlocal all all scram-sha-256\n");
  server.query("SELECT pg_reload_conf()");
  const auto with_password = [&](const std::string& password, const std::string& database) {
    std::string dsn = server.dsn(database);
    return dsn.replace(dsn.find("postgres@"), 8, "owner:" + password);
  };
  const std::string target = with_password(kCanary, "shop");
  REQUIRE(wait_until(
      [&] {
        return has(everything(lockstep({"status", with_password("wrong", "shop")})), "LS-T202");
      },
      10s));
  const std::size_t log_before = server.log().size();

  const TempDir folder;
  const std::string file = small_source(folder);
  std::string seen;
  const auto look = [&](const std::vector<std::vector<std::string>>& commands) {
    for (const auto& command : commands) seen += everything(lockstep(command));
  };
  const std::string socket = "ipc://" + folder.file("app.sock");
  const auto capture = start_lockstep({"capture", file, "--listen", socket});
  const auto apply = start_lockstep({"apply", "--json", "--connect", socket, "--target=" + target});
  REQUIRE(wait_until(
      [&] {
        return lockstep({"wait", target, "--for", "caught-up"}).status.code == 0;
      },
      30s));
  for (const auto* process : {&capture, &apply})
    for (const char* what : {"cmdline", "environ", "comm"})
      seen += contents(fmt::format("/proc/{}/{}", (*process)->pid(), what));
  seen += contents(file + "-lockstep") + contents(file) + contents(file + "-wal");
  REQUIRE(has(seen, LOCKSTEP_BINARY));
  look({{"status", target, "--json"},
        {"verify", file, target},
        {"wait", target, "--for", "applied=nonsense"},
        {"run", file, target},
        {"status", with_password(kCanary, "absent")},
        {"status", with_password(std::string(kCanary) + "-wrong", "shop")},
        {"run", file, target + "?nonsense=" + kCanary},
        // In the wrong place, or where no TARGET belongs.
        {"run", target, file},
        {"verify", target, file},
        {"remove", target, file},
        {"complete", target},
        {"wait", file, target, "--for", "caught-up"},
        {"run", file, target, target},
        {"status", file, "--schema", target},
        {"cutover", file, target, "--verify-max-age", "0", "--confirm", target},
        {"run", file, "host=absent password=" + std::string(kCanary), "dbname=x"}});
  apply->signal(SIGTERM);
  capture->signal(SIGTERM);
  CHECK(apply->wait_or_throw(20s) == ExitStatus{.code = 143});
  CHECK(capture->wait_or_throw(20s) == ExitStatus{.code = 143});
  for (const auto* process : {&capture, &apply})
    seen += (*process)->output() + (*process)->error_output();
  look({{"remove", file, target, "--json"}});
  seen += server.log().substr(log_before);
  REQUIRE(has(seen, "LS-T202"));
  REQUIRE(has(seen, "UPDATE lockstep.ledger"));
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    if (entry.is_regular_file()) seen += contents(entry.path());
  const std::size_t at = seen.find(kCanary);
  INFO(seen.substr(at == std::string::npos ? 0 : (at > 300 ? at - 300 : 0), 600));
  CHECK(at == std::string::npos);
  saw_fault(
      "H20",
      "GO: a password given as canary is in no output, file, ledger, process list or server log");
}

}  // namespace lockstep::test
