// A private PostgreSQL server for one test program: its own files, its own socket, gone afterwards.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/process.hpp"

namespace lockstep::test {

/// Rows of text; nothing stands for NULL.
using Rows = std::vector<std::vector<std::optional<std::string>>>;

/// Whether a session says SET lockstep.guard = off, as somebody does who writes on purpose.
enum class Guard { passed, met };

/// Runs one or more statements through `dsn` and returns the rows of the last. Throws
/// std::runtime_error with the server's text.
Rows query(const std::string& dsn, const std::string& sql, Guard guard = Guard::passed);

/// A running server when constructed. It listens on a Unix socket in a temporary folder only, and
/// trusts everybody who reaches it; superuser `postgres`; UTF8, C.UTF-8; fsync is on. Under root it
/// runs as `postgres` or `nobody`.
///
/// What the object started ends with it. If the test program is killed, a watcher process of its
/// own session stops the server and removes the folder. With LOCKSTEP_KEEP in the environment the
/// folder stays and its path is printed.
class PostgresServer {
 public:
  /// `settings` are lines of postgresql.conf: {"fsync=off", "wal_level=logical"}; `environment` is
  /// as in ProcessOptions.
  explicit PostgresServer(std::vector<std::string> settings = {},
                          std::vector<std::string> environment = {});
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  /// A URL that libpq understands.
  [[nodiscard]] std::string dsn(std::string_view database = "postgres") const;
  /// Creates a database and returns its dsn. `options` is what may follow CREATE DATABASE name.
  std::string create_database(const std::string& name, const std::string& options = "");

  /// Starts a stopped server and waits until it accepts connections. Throws std::runtime_error with
  /// the end of its log if that takes longer than a minute.
  void start();
  /// For a server that restarts its processes by itself: waits until it accepts connections. False
  /// if it has ended instead, or a minute was not enough.
  bool comes_up();
  /// Clean stop: disconnects everybody, writes a checkpoint.
  void stop_fast();
  /// Stops without a checkpoint; the next start recovers from the log.
  void stop_immediate();
  /// SIGKILL for the postmaster, nothing for its children: they find out by themselves, as after a
  /// real crash. Returns when every one of them is gone; those still there after five seconds are
  /// killed too.
  void kill_hard();
  void restart();
  /// SIGSTOP for every process of it: it takes connections and answers nobody, until thaw().
  void freeze();
  void thaw();

  /// test::query() as superuser in `database`.
  Rows query(const std::string& sql, std::string_view database = "postgres") const;
  /// The first column of the first row; empty if there is none or it is NULL.
  [[nodiscard]] std::string value(const std::string& sql,
                                  std::string_view database = "postgres") const;

  [[nodiscard]] pid_t pid() const;  ///< of the postmaster
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  [[nodiscard]] std::filesystem::path data_folder() const { return folder_ / "data"; }
  [[nodiscard]] std::string log() const;

 private:
  void stop(int signal);
  void wait_for_children();
  void start_watcher();
  void dismiss_watcher() noexcept;
  void release_shared_memory() const noexcept;

  std::vector<std::string> settings_, environment_;
  std::filesystem::path folder_;
  std::unique_ptr<Process> postmaster_;
  std::unique_ptr<Process> watcher_;  ///< when its input ends, by us or by our death, it cleans up
};

}  // namespace lockstep::test
