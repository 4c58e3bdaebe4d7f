// Asks all the while whether SQLite and PostgreSQL would both take a write at the same moment.
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/application.hpp"

namespace lockstep::test {

class OpenSides {
 public:
  /// Writes notes(k = 'a') on both sides and takes it back, on a thread of its own.
  OpenSides(std::string file, std::string dsn) : file_(std::move(file)), dsn_(std::move(dsn)) {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        ask();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    });
  }

  /// How often both would have taken it: never is right. And how often each of them would have.
  [[nodiscard]] int both() const { return both_; }
  [[nodiscard]] int sqlite() const { return sqlite_count_; }
  [[nodiscard]] int postgres() const { return postgres_count_; }

 private:
  struct FreeConnection {
    void operator()(PGconn* handle) const noexcept { PQfinish(handle); }
  };

  // SQLite's transaction has written and stays open while PostgreSQL is asked: whoever takes the
  // writers from SQLite needs that lock. So a yes of both is no matter of timing.
  void ask() {
    const bool sqlite = sqlite_takes_it();
    const bool postgres = postgres_takes_it();
    if (sqlite) ++sqlite_count_;
    if (postgres) ++postgres_count_;
    if (sqlite && postgres) ++both_;
    if (sqlite_ && sqlite_->in_transaction()) sqlite_->exec("ROLLBACK");
    if (postgres_) run("ROLLBACK");
  }

  bool sqlite_takes_it() {
    try {
      if (!sqlite_) {
        sqlite_ = std::make_unique<Application>(file_);
        sqlite_->exec("PRAGMA busy_timeout=0");
      }
      sqlite_->exec("BEGIN IMMEDIATE; UPDATE notes SET v = v WHERE k = 'a'");
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }

  bool postgres_takes_it() {
    if (!postgres_ || PQstatus(postgres_.get()) != CONNECTION_OK)
      postgres_.reset(PQconnectdb(dsn_.c_str()));
    return run("BEGIN; SET LOCAL lock_timeout = 5; UPDATE notes SET v = v WHERE k = 'a'");
  }
  bool run(const char* sql) {
    PGresult* result = PQexec(postgres_.get(), sql);
    const bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return done;
  }

  std::string file_, dsn_;
  std::unique_ptr<Application> sqlite_;
  std::unique_ptr<PGconn, FreeConnection> postgres_;
  std::atomic<int> both_{0}, sqlite_count_{0}, postgres_count_{0};
  std::jthread thread_;
};

}  // namespace lockstep::test
