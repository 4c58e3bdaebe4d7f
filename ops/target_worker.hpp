// The applying end of a session: reads the ledger, asks for what comes next, writes it. One thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "apply/applier.hpp"
#include "apply/dual_write.hpp"
#include "apply/guard.hpp"
#include "apply/ledger.hpp"
#include "link/postgres/connection.hpp"
#include "link/wire/bell.hpp"
#include "link/wire/credit.hpp"
#include "link/wire/message.hpp"
#include "link/wire/socket.hpp"
#include "ops/board.hpp"
#include "ops/copy_lanes.hpp"
#include "ops/endpoint.hpp"
#include "ops/key_builder.hpp"
#include "ops/target_verifier.hpp"

namespace lockstep::ops {

struct TargetOptions {
  postgres::Dsn dsn;
  ConnectTo connect;
  std::string migration;
  std::string schema;
  std::string source_id;
  apply::ApplierLimits applier{};
  wire::Credit window{.bytes = 16u << 20, .messages = 128};  ///< what may be on its way to us
  Milliseconds answer_patience{10'000};                      ///< for the welcome
  bool accept_target = false;  ///< whatever database it is, it is the target from now on
  std::vector<std::string> after_snapshot{};  ///< the hook
  apply::GuardMode guard = apply::GuardMode::reject;
  ContinuousPasses continuous{};
  std::optional<apply::DualChoice> dual_write{};  ///< nothing: as the ledger has it
};

class TargetWorker {
 public:
  /// `connection` already holds the migration's lock. Board must outlive the worker.
  TargetWorker(wire::Context& context, TargetOptions options, postgres::Connection connection,
               Board& board);

  /// Works until asked to stop, or until an Error that a person must look at: then Board::fail()
  /// has it. Everything else (target gone, session lost, commit in doubt) is a new session after a
  /// pause.
  void run(const std::stop_token& stop);

  /// From another thread: ends a long statement (an index build) after stop was requested.
  void cancel();

 private:
  static constexpr Milliseconds kLockPatience{5'000};

  struct Session {
    std::uint64_t id = 0;
    std::uint64_t sent = 0, received = 0;
    wire::CreditWindow window;
  };

  void work(const std::stop_token& stop);
  void connect();
  void greet(const std::stop_token& stop);
  [[nodiscard]] wire::Message hello();
  void copy(const std::stop_token& stop);
  void open_lanes(std::vector<PartToCopy> parts);
  void close_lanes();
  void load(CopyLanes& lanes, std::size_t parts, const std::stop_token& stop);
  void build_keys(const std::stop_token& stop);
  [[nodiscard]] std::vector<apply::ForeignKeySql> own_foreign_keys() const;
  void make_foreign_keys();
  void put_foreign_keys_aside();
  void follow(const std::stop_token& stop);
  void dispatch(const wire::Message& message);
  void meet_plans(std::vector<TablePlan> plans);
  void make_applier();
  void show_tables();
  void show_quarantine(const apply::QuarantineCounts& counts);
  void finish_batch(const wire::Message& message);
  void acknowledge();
  void note_idle(const Position& position);
  void become_consistent(const std::stop_token& stop);
  void run_after_snapshot();
  void serve_verifier();
  void show_to_verifier();

  void send(wire::Kind kind, std::string body);
  /// The next message of this session, after granting credit for it; nothing if `stop` came first
  /// or `patience` ran out.
  [[nodiscard]] std::optional<wire::Message> receive(const std::stop_token& stop,
                                                     Milliseconds patience);
  void check_dual_choice() const;
  void settle_dual_writes();
  void refuse_dual_change(const apply::PlanChange& change) const;
  void show_dual_writes();
  [[nodiscard]] Error tried_enough(const Error& error);
  void check_connection();
  [[nodiscard]] std::vector<apply::LedgerTable> settled_tables() const;
  void check_tables();
  [[nodiscard]] bool is_held();
  void check_tables_if_due();
  void begin_guard();
  void keep_guard();
  [[nodiscard]] Error explained(const Error& refusal);
  [[nodiscard]] bool may_lack_a_partition() const;
  void progressed();
  [[nodiscard]] Error asked_for_text(const Error& error);
  void ping();
  void send_verification();
  void handle_verification(const wire::Message& message);

  TargetOptions options_;
  Board& board_;
  wire::Dealer dealer_;
  wire::Bell stop_bell_;
  std::mutex connection_mutex_;  // cancel() against connect(), copy() and hooks
  std::optional<postgres::Connection> connection_;
  std::unique_ptr<CopyLanes> lanes_;
  std::optional<postgres::Connection> hook_;  // of an entry that runs now
  KeyBuilder key_builder_;
  apply::RecentKeys recent_;
  TargetVerifier verifier_;
  std::optional<Session> session_;
  apply::LedgerRow ledger_;
  std::vector<apply::LedgerTable> tables_;
  bool greeted_ = false;          // in this session
  std::vector<TablePlan> plans_;  // the source's, as its welcome said; the ledger follows
  bool plans_change_ = false;     // with the next batch
  std::unique_ptr<apply::Applier> applier_;
  std::vector<apply::DualTable> dual_;
  int conflicts_met_ = 0;  // one after the other, with nothing applied in between
  std::uint64_t next_session_;
  SteadyTime last_sent_{};
  int own_backend_ = 0;  // of the connection before, which the server may still believe in
  bool silent_ = false;  // triggers and foreign keys of the target do not act in our sessions
  std::optional<wire::TextWish> text_wish_;  // said with the next hello that is answered
  std::map<ColumnPlace, int> text_wishes_;   // since a batch was applied
  bool blocked_ = false;  // the last failure was the server's answer: a new session is no progress
  SteadyTime checked_at_{};  // the tables
};

}  // namespace lockstep::ops
