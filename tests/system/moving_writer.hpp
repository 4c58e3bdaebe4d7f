// An application that writes to one side until it is refused there, and then to the other: each
// acknowledged write is a token that has to be on the open side at the end, once.
#pragma once

#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/application.hpp"

namespace lockstep::test {

class MovingWriter {
 public:
  /// Writes into orders(id, token, n), `per_second` transactions on a thread of its own.
  MovingWriter(std::string file, std::string dsn, int per_second)
      : file_(std::move(file)), dsn_(std::move(dsn)), pause_(1'000'000 / per_second) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  struct Seen {
    std::vector<std::string> acknowledged;
    std::vector<std::string> in_doubt;    ///< the connection was lost in the middle of it
    std::vector<std::string> unexpected;  ///< refusals that are neither a fence nor a busy database
    /// From the last acknowledged write on one side to the first on the other, for each switch.
    std::vector<double> gaps_ms;
  };
  /// Ends it. Once.
  Seen stop() {
    thread_.request_stop();
    thread_.join();
    return std::move(seen_);
  }
  /// How many writes were acknowledged so far, and on which side the last one was.
  [[nodiscard]] std::size_t acknowledged() const { return count_; }
  [[nodiscard]] bool on_postgres() const { return on_postgres_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct FreeConnection {
    void operator()(PGconn* handle) const noexcept { PQfinish(handle); }
  };
  enum class Answer { yes, refused, lost };

  void run(const std::stop_token& stop) {
    sqlite_ = std::make_unique<Application>(file_);
    sqlite_->exec("PRAGMA synchronous=NORMAL");
    Clock::time_point next = Clock::now(), last_yes = next;
    bool side = false;  // postgres?
    for (std::uint64_t number = 0; !stop.stop_requested(); ++number) {
      const std::string token = "w" + std::to_string(number);
      Answer answer = write(side, token);
      while (answer == Answer::refused && !stop.stop_requested()) {
        side = !side;
        answer = write(side, token);
        if (answer == Answer::refused) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      const Clock::time_point now = Clock::now();
      if (answer == Answer::lost) seen_.in_doubt.push_back(token);
      if (answer == Answer::yes) {
        seen_.acknowledged.push_back(token);
        if (side != on_postgres_)
          seen_.gaps_ms.push_back(
              std::chrono::duration<double, std::milli>(now - last_yes).count());
        on_postgres_ = side;
        last_yes = now;
        ++count_;
      }
      next += pause_;
      if (next < now) next = now;
      std::this_thread::sleep_until(next);
    }
  }

  Answer write(bool postgres, const std::string& token) {
    const std::string sql = "INSERT INTO orders(token, n) VALUES ('" + token + "', 1)";
    return postgres ? write_postgres(sql) : write_sqlite(sql);
  }

  Answer write_sqlite(const std::string& sql) {
    try {
      sqlite_->exec(sql);
      return Answer::yes;
    } catch (const std::exception& error) {
      note(error.what(), "LOCKSTEP-FENCED:");
      return Answer::refused;
    }
  }

  Answer write_postgres(const std::string& sql) {
    if (!postgres_ || PQstatus(postgres_.get()) != CONNECTION_OK)
      postgres_.reset(PQconnectdb(dsn_.c_str()));
    PGresult* result = PQexec(postgres_.get(), sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string said = PQresultErrorMessage(result);
    const bool answered = state != nullptr;
    PQclear(result);
    if (status == PGRES_COMMAND_OK) return Answer::yes;
    if (!answered)
      return PQstatus(postgres_.get()) == CONNECTION_OK ? Answer::refused : Answer::lost;
    // Before the first cutover it is the guard that refuses.
    if (said.find("LS-X602") == std::string::npos) note(said, "LOCKSTEP-FENCED:");
    return Answer::refused;
  }

  void note(const std::string& said, const char* expected) {
    if (said.find(expected) == std::string::npos && seen_.unexpected.size() < 20)
      seen_.unexpected.push_back(said);
  }

  std::string file_, dsn_;
  std::chrono::microseconds pause_;
  std::unique_ptr<Application> sqlite_;
  std::unique_ptr<PGconn, FreeConnection> postgres_;
  Seen seen_;
  std::atomic<std::size_t> count_{0};
  std::atomic<bool> on_postgres_{false};
  std::jthread thread_;
};

}  // namespace lockstep::test
