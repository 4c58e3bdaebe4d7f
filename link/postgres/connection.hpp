// Owns PGconn* and PGresult*: named connections, exec with parameters, pipelines; SQLSTATE to
// Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "link/postgres/dsn.hpp"
#include "model/clock.hpp"
#include "model/error.hpp"

struct pg_conn;
struct pg_result;

namespace lockstep::postgres {

struct FinishConnection {
  void operator()(pg_conn* handle) const noexcept;
};
struct ClearResult {
  void operator()(pg_result* handle) const noexcept;
};

/// Rows of one statement. Text format unless said otherwise. Views live as long as the Result.
class Result {
 public:
  explicit Result(pg_result* handle) : handle_(handle) {}
  [[nodiscard]] int rows() const;
  [[nodiscard]] int columns() const;
  [[nodiscard]] bool is_null(int row, int column) const;
  [[nodiscard]] std::string_view value(int row, int column) const;
  [[nodiscard]] std::int64_t integer(int row, int column) const;
  [[nodiscard]] bool boolean(int row, int column) const;
  /// The column's type, as pg_type has its oid.
  [[nodiscard]] unsigned type(int column) const;
  /// Rows affected by INSERT, UPDATE, DELETE, COPY; 0 for others.
  [[nodiscard]] std::int64_t affected() const;
  [[nodiscard]] std::string_view command_tag() const;

 private:
  std::unique_ptr<pg_result, ClearResult> handle_;
};

/// One statement parameter in binary format; nothing means NULL. Views must live until the call
/// returns.
using BinaryParameter = std::optional<std::string_view>;

/// The three answers of COMMIT. `in_doubt` is not an error to retry: read the ledger row FOR UPDATE
/// on a new connection, and then it is known (a plain read can still show the old position).
enum class CommitOutcome { committed, aborted, in_doubt };

/// A session of ours. After connecting it has: UTF8, search_path pg_catalog, pg_temp (all our names
/// are qualified), statement_timeout, lock_timeout, idle_in_transaction_session_timeout and
/// transaction_isolation of our own whatever the DBA set, synchronous_commit at least `on` (a
/// commit that answers is flushed), default_transaction_read_only off unless it is on for
/// the whole server, row_security off (errors
/// instead of hiding rows), client_connection_check_interval where the server has it (14+),
/// application_name "lockstep <purpose> <host>:<pid>". Notices go nowhere. One thread at a time.
class Connection {
 public:
  /// Throws Error, redacted: LS-T201 unreachable and LS-T207 not who it should be (exit 5,
  /// Retry::new_session), LS-T202 refused
  /// password, LS-T203 no such database, LS-T205 unusable server (older than 14, not UTF8, in
  /// recovery: Retry::new_session), LS-T215 a pooler is in between, LS-T217 the server is
  /// read-only (Retry::new_session).
  /// The connection string's connect_timeout goes before `patience`.
  [[nodiscard]] static Connection open(const Dsn& dsn, std::string_view purpose,
                                       Milliseconds patience = Milliseconds{10000});

  /// One or more statements without parameters; the last one's result.
  Result exec(const std::string& sql);
  /// One statement, text parameters, text results.
  Result query(const std::string& sql, std::span<const std::optional<std::string>> parameters);
  Result query(const std::string& sql,
               std::initializer_list<std::optional<std::string>> parameters);

  /// COMMIT. Never throws. A COMMIT of a failed transaction answers success with the tag ROLLBACK:
  /// aborted. A WARNING on COMMIT (the wait for a standby was cancelled) and SQLSTATE 40003: in
  /// doubt. A lost connection: in doubt.
  [[nodiscard]] CommitOutcome commit() noexcept;
  /// ROLLBACK if a transaction is open and the connection lives. Never throws.
  void abort() noexcept;

  [[nodiscard]] bool alive() const;
  [[nodiscard]] bool idle() const;  ///< no transaction, no COPY, no statement under way
  [[nodiscard]] int backend_pid() const;
  [[nodiscard]] int server_version() const;  ///< 150018 for 15.18
  [[nodiscard]] int descriptor() const;      ///< the socket, for wait()
  /// True once a NOTIFY has come that nobody was told of (LISTEN is the caller's); all that are
  /// there count as one. False after `patience`. Throws like exec() if the connection is lost.
  [[nodiscard]] bool wait_for_notification(Milliseconds patience);
  /// Asks the server to stop the running statement, for a second at most. Any thread, never throws.
  void cancel() noexcept;
  [[nodiscard]] const Dsn& dsn() const { return *dsn_; }
  // For this folder only.
  [[nodiscard]] pg_conn* handle() const { return handle_.get(); }
  [[nodiscard]] int warnings() const { return *warnings_; }
  /// What the server's answer to COMMIT means, `warnings_before` being warnings() before it.
  [[nodiscard]] CommitOutcome commit_outcome(const pg_result* result,
                                             int warnings_before) const noexcept;
  /// COMMIT is on its way, its answer has not been read. False: a test lost the connection here.
  [[nodiscard]] bool commit_sent() noexcept;
  /// Makes the connection unusable at once, for when its state is beyond repair. Never throws.
  void sever() noexcept;
  /// Ends it from another thread: whoever waits for the server here gets the error of a lost
  /// connection. It must outlive the call.
  void interrupt() noexcept;

 private:
  Connection(std::unique_ptr<pg_conn, FinishConnection> handle, std::unique_ptr<Dsn> dsn,
             std::unique_ptr<int> warnings);
  std::unique_ptr<pg_conn, FinishConnection> handle_;
  std::unique_ptr<Dsn> dsn_;
  std::unique_ptr<int> warnings_;  ///< WARNINGs seen so far; the notice receiver counts here
};

/// Several statements in one round trip (libpq pipeline mode). Nothing may run on the connection
/// beside it.
///
///   Pipeline pipe(conn);
///   pipe.exec("BEGIN"); pipe.run("ls_1_u", parameters); ... pipe.commit();
///   PipelineOutcome outcome = pipe.finish();
class Pipeline {
 public:
  explicit Pipeline(Connection& connection);
  ~Pipeline();  ///< leaves pipeline mode; if finish() was not called the connection is closed
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  void exec(const std::string& sql);  ///< no parameters
  /// Prepares `sql` under `name` on this connection, within the pipeline.
  void prepare(const std::string& name, const std::string& sql);
  void run(const std::string& name, std::span<const BinaryParameter> parameters);
  /// COMMIT as the last statement; its answer is in the outcome.
  void commit();

  struct Outcome {
    CommitOutcome commit = CommitOutcome::aborted;
    std::optional<Error> error;          ///< the first statement that failed
    std::size_t failed_statement = 0;    ///< its index, in the order the calls were made, from 0
    std::vector<std::int64_t> affected;  ///< per statement
  };
  /// Flushes, waits for every answer, leaves pipeline mode. Reads while it writes, so large
  /// pipelines cannot dead-lock. A failed statement makes the rest skip and the commit `aborted`; a
  /// lost connection before the answer to COMMIT is `in_doubt` if COMMIT had been sent. Does not
  /// throw for either. If commit() was called and a statement failed, the failed transaction is
  /// rolled back too; without commit() the transaction is left as it is, for abort().
  [[nodiscard]] Outcome finish();

 private:
  void count_statement(int accepted, std::size_t bytes);
  void drain_available();
  void take_answers();
  void take_answer(const pg_result* result);
  void lose();
  Connection& connection_;
  Outcome outcome_;
  std::size_t sent_ = 0;
  std::size_t answered_ = 0;
  std::optional<std::size_t> commit_index_;  ///< set as soon as COMMIT may have reached the server
  std::size_t bytes_undrained_ = 0;
  int warnings_before_;         ///< WARNINGs before the statement that is being answered
  bool answer_begun_ = false;   ///< the result of statement answered_ is here, the end of it is not
  bool outcome_known_ = false;  ///< the server told what became of the transaction
  bool synced_ = false;
  bool lost_ = false;
  bool finished_ = false;
};

/// SQLSTATE and server text to a named Error: 40001/40P01/55P03/57014 Retry::same_session; 08*,
/// 57P* and a dead connection Retry::new_session with exit 5; 25006 LS-T217
/// likewise; 53* (disk, memory, connections) LS-T209 exit 7 Retry::new_session; 42501 LS-T204 exit
/// 3, but LS-T266 exit 3 where it is row level security that refuses; 23505 LS-T210; the rest
/// LS-T211 exit 7 Retry::never. `doing` says what was being done.
[[nodiscard]] Error to_error(const Connection& connection, const pg_result* result,
                             std::string_view doing);

}  // namespace lockstep::postgres
