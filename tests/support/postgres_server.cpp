#include "tests/support/postgres_server.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/shm.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/support/postgres_files.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
namespace {

struct Finish {
  void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const noexcept { PQclear(result); }
};

std::string contents(const fs::path& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Processes whose working folder is `folder`: PostgreSQL's all go there. A zombie has none and
/// does not count.
std::vector<pid_t> processes_in(const fs::path& folder) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) continue;
    std::error_code gone;
    if (fs::read_symlink(entry.path() / "cwd", gone) == folder) found.push_back(pid);
  }
  return found;
}

/// Waits, without threads or memory of ours, for the end of its input; then stops the server and
/// removes the folder. It runs twice forked and in a session of its own, so that nobody who kills
/// our process tree finds it.
constexpr const char* kWatcher = R"sh(
exec 3<&0
(
  trap '' HUP INT TERM
  cat >/dev/null
  pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
  if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; then
    kill -QUIT "$pid"
    tries=0
    while [ -e "/proc/$pid/cwd" ] && [ "$tries" -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
    for cwd in /proc/[0-9]*/cwd; do
      if [ "$(readlink "$cwd" 2>/dev/null)" = "$1/data" ]; then
        process=${cwd%/cwd}
        kill -KILL "${process#/proc/}"
      fi
    done
  fi
  [ -n "$2" ] || rm -rf "$1"
) <&3 3<&- &
)sh";

}  // namespace

Rows query(const std::string& dsn, const std::string& sql, Guard guard) {
  const std::unique_ptr<PGconn, Finish> connection{PQconnectdb(dsn.c_str())};
  if (PQstatus(connection.get()) != CONNECTION_OK)
    throw std::runtime_error(PQerrorMessage(connection.get()));
  PQsetNoticeProcessor(
      connection.get(), [](void*, const char*) {}, nullptr);
  if (guard == Guard::passed) PQclear(PQexec(connection.get(), "SET lockstep.guard = off"));
  const std::unique_ptr<PGresult, Clear> result{PQexec(connection.get(), sql.c_str())};
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    throw std::runtime_error(fmt::format("{}\n{}", PQerrorMessage(connection.get()), sql));
  Rows rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      auto& cell = rows[static_cast<std::size_t>(row)].emplace_back();
      if (PQgetisnull(result.get(), row, column) != 0) continue;
      cell.emplace(PQgetvalue(result.get(), row, column),
                   static_cast<std::size_t>(PQgetlength(result.get(), row, column)));
    }
  }
  return rows;
}

PostgresServer::PostgresServer(std::vector<std::string> settings,
                               std::vector<std::string> environment)
    : settings_(std::move(settings)), environment_(std::move(environment)) {
  std::string name = (fs::temp_directory_path() / "ls-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  folder_ = fs::canonical(name);
  try {
    start_watcher();
    give_to_server_user(folder_);
    make_cluster(data_folder());
    start();
  } catch (...) {
    postmaster_.reset();
    dismiss_watcher();
    throw;
  }
}

PostgresServer::~PostgresServer() {
  try {
    stop_immediate();
  } catch (const std::exception& failure) {
    fmt::print(stderr, "stopping PostgreSQL: {}\n", failure.what());
  }
  release_shared_memory();
  dismiss_watcher();
  if (keep_folders()) fmt::print(stderr, "kept (LOCKSTEP_KEEP): {}\n", folder_.string());
}

std::string PostgresServer::dsn(std::string_view database) const {
  std::string host;
  for (const char c : folder_.string()) host += c == '/' ? "%2F" : std::string(1, c);
  return fmt::format("postgresql://postgres@{}/{}", host, database);
}

std::string PostgresServer::create_database(const std::string& name, const std::string& options) {
  query(fmt::format("CREATE DATABASE \"{}\" {}", name, options));
  return dsn(name);
}

void PostgresServer::start() {
  std::vector<std::string> arguments{postgres_binaries() / "postgres", "-D", data_folder()};
  for (const std::string& setting : std::initializer_list<std::string>{
           "listen_addresses=", "unix_socket_directories=" + folder_.string(), "fsync=on",
           "max_connections=50", "logging_collector=off"})
    arguments.insert(arguments.end(), {"-c", setting});
  for (const auto& setting : settings_) arguments.insert(arguments.end(), {"-c", setting});
  const std::string log_path = folder_ / "log";
  // Not dies_with_us: a test may start the server again on a short-lived thread; the watcher cares
  // for the rest.
  ProcessOptions options{.environment = {"PGDATA", "PGOPTIONS", "LC_ALL=C.UTF-8"},
                         .stdout_path = log_path,
                         .stderr_path = log_path,
                         .directory = "/",
                         .own_session = true,
                         .dies_with_us = false};
  options.environment.insert(options.environment.end(), environment_.begin(), environment_.end());
  if (const auto user = server_user()) {
    options.user = user->user;
    options.group = user->group;
  }
  postmaster_ = std::make_unique<Process>(std::move(arguments), std::move(options));
  if (!comes_up()) throw std::runtime_error("PostgreSQL does not start: " + log());
}

bool PostgresServer::comes_up() {
  const std::string address = dsn();
  const bool up = wait_until(
      [&] { return PQping(address.c_str()) == PQPING_OK || !postmaster_->running(); }, 60s, 10ms);
  return up && postmaster_->running();
}

void PostgresServer::stop(int signal) {
  if (!postmaster_) return;
  postmaster_->signal(signal);
  const bool stopped = postmaster_->wait(30s).has_value();
  if (!stopped) postmaster_->kill_hard();
  postmaster_.reset();
  wait_for_children();
  if (!stopped)
    throw std::runtime_error("PostgreSQL did not stop in 30 s and was killed: " + log());
}

void PostgresServer::stop_fast() {
  stop(SIGINT);
}
void PostgresServer::stop_immediate() {
  stop(SIGQUIT);
}

void PostgresServer::kill_hard() {
  if (!postmaster_) return;
  postmaster_->kill_hard();
  postmaster_.reset();
  wait_for_children();
}

void PostgresServer::restart() {
  stop_fast();
  start();
}

void PostgresServer::freeze() {
  ::kill(postmaster_->pid(), SIGSTOP);  // first: it starts no more
  for (const pid_t pid : processes_in(data_folder())) ::kill(pid, SIGSTOP);
}

void PostgresServer::thaw() {
  for (const pid_t pid : processes_in(data_folder())) ::kill(pid, SIGCONT);
}

void PostgresServer::wait_for_children() {
  const fs::path data = data_folder();
  if (wait_until([&] { return processes_in(data).empty(); }, 5s)) return;
  for (const pid_t pid : processes_in(data)) ::kill(pid, SIGKILL);
  if (!wait_until([&] { return processes_in(data).empty(); }, 30s))
    throw std::runtime_error("processes of PostgreSQL survive SIGKILL");
}

Rows PostgresServer::query(const std::string& sql, std::string_view database) const {
  return test::query(dsn(database), sql);
}

std::string PostgresServer::value(const std::string& sql, std::string_view database) const {
  const Rows rows = query(sql, database);
  return rows.empty() || rows.front().empty() ? "" : rows.front().front().value_or("");
}

pid_t PostgresServer::pid() const {
  return postmaster_ ? postmaster_->pid() : -1;
}

std::string PostgresServer::log() const {
  return contents(folder_ / "log");
}

void PostgresServer::start_watcher() {
  watcher_ = std::make_unique<Process>(
      std::vector<std::string>{"sh", "-c", kWatcher, "postgres-watcher", folder_.string(),
                               keep_folders() ? "keep" : ""},
      ProcessOptions{.directory = "/", .own_stdin = true, .own_session = true});
  if (watcher_->wait_or_throw(10s).code != 0)
    throw std::runtime_error("cannot start the watcher: " + watcher_->error_output());
}

void PostgresServer::dismiss_watcher() noexcept {
  watcher_.reset();
  if (keep_folders()) return;
  std::error_code unused;
  if (!wait_until([&] { return !fs::exists(folder_, unused); }, 10s)) remove_folder(folder_);
}

/// After kill_hard() the server's System V segment is still there (a start would have taken it
/// over). Its number is the second one in line 7 of postmaster.pid.
void PostgresServer::release_shared_memory() const noexcept {
  std::ifstream file{data_folder() / "postmaster.pid"};
  std::string line;
  for (int number = 0; number < 6; ++number) std::getline(file, line);
  unsigned long key = 0;
  int segment = 0;
  if (file >> key >> segment) ::shmctl(segment, IPC_RMID, nullptr);
}

}  // namespace lockstep::test
