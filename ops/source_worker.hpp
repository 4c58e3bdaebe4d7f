// The capturing end of a session: answers apply's requests with chunks and batches. One thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "capture/install.hpp"
#include "capture/prune.hpp"
#include "capture/tail.hpp"
#include "link/sqlite/watch.hpp"
#include "link/wire/bell.hpp"
#include "link/wire/control.hpp"
#include "link/wire/credit.hpp"
#include "link/wire/message.hpp"
#include "link/wire/socket.hpp"
#include "ops/board.hpp"
#include "ops/endpoint.hpp"
#include "ops/new_tables.hpp"
#include "ops/schema_follower.hpp"
#include "ops/served_copy.hpp"
#include "ops/source_health.hpp"
#include "ops/source_verifier.hpp"
#include "ops/target_memory.hpp"
#include "snapshot/reader.hpp"

namespace lockstep::ops {

struct SourceOptions {
  std::string path;
  ListenAt listen;
  capture::Installed installed;
  snapshot::ReaderLimits reader{};
  capture::BatchLimits batch{};
  capture::PruneLimits prune{};
  capture::RoomLimits room{};
  std::size_t batches_in_flight_max =
      2;  ///< more would only make batches smaller than they could be
  /// Changes that make a batch behind one that is not acked yet: it keeps apply busy. Fewer would
  /// only wait there, and what is written meanwhile would wait for both: they are kept for so long.
  std::int64_t changes_behind_min = 256;
  Milliseconds keep_few_for{20};
  Milliseconds slow_poll{200};    ///< the net below inotify
  Milliseconds hot_poll_for{20};  ///< events come before the commit is visible
  /// Nothing: nobody here knows the target, as in `capture` alone.
  LookAtTarget look_at_target{};
  /// Apply is another process: what concerns its target alone costs it the session and not us, and
  /// the board learns of phases and positions from what it says.
  bool alone = false;
};

/// What belongs to one peer's conversation; a new hello starts a new one.
struct CaptureSession {
  std::string peer;
  std::uint64_t id = 0;
  std::uint64_t sent = 0, received = 0;
  wire::CreditAccount credit;
  std::deque<std::string> outbox;    // encoded frames that wait for credit
  std::optional<Position> greeted;   // the ledger's position, as the hello said
  std::optional<Position> followed;  // end of the last batch that was begun; nothing: not following
  struct InFlight {
    std::optional<std::int64_t> rowids_version;  // the target knows, once this is durable
    std::int64_t schema_version = -1;            // that was looked at
    SteadyTime sent{};
  };
  std::deque<InFlight> in_flight;
  std::unique_ptr<capture::BatchReader> batch;
  bool batch_begun = false;      // a slice of it has been sent
  std::optional<Position> seen;  // the newest change that rows of a copy were read after
  bool told_idle = false;
  bool warm = false;  // apply has acked a batch of this session: before that it may be busy with
                      // keys for long
};

class SourceWorker {
 public:
  /// Binds its endpoint; Board must outlive the worker.
  SourceWorker(wire::Context& context, SourceOptions options, Board& board);

  /// Serves until asked to stop, or until an Error that a person must look at: then Board::fail()
  /// has it.
  void run(const std::stop_token& stop);

 private:
  void open_source();
  void serve(const std::stop_token& stop);
  [[nodiscard]] bool prune();
  void look_after_source();
  void follow_source();
  void take_up_doubt(capture::SchemaWatch& watch);
  void look_at_schema();
  void welcome_arrived();
  void record_schema();
  void look_for_apply();
  [[nodiscard]] Position see_newest(sqlite::Database& reading);
  void see_commit(const Position& newest);
  [[nodiscard]] Milliseconds patience(bool busy) const;
  void receive_all();
  void handle(const std::string& peer, const wire::Message& message);
  void start_session(const std::string& peer, const wire::Message& hello);
  [[nodiscard]] bool refuses_target(const std::string& peer, std::uint64_t session,
                                    const TargetIdentity& intended);
  [[nodiscard]] wire::Welcome welcome();
  void hear_text_wish(const wire::TextWish& wish);
  void grant_text_wish();
  void follow_from(const Position& position);
  void handle_ack(const Position& position);
  /// True if there is more to do at once.
  [[nodiscard]] bool produce();
  [[nodiscard]] bool flush_outbox();
  void handle_verification(const wire::Message& message);
  void begin_barrier(capture::View view);
  void begin_barrier_at_rest();
  void tell_waiting_barrier();
  [[nodiscard]] bool send_verified();
  void answer_barrier(std::uint64_t barrier, SourceVerifier::Reply reply);
  void serve_copy(const std::vector<wire::CopyRequest>& parts);
  void produce_chunk();
  void produce_batch();
  void begin_batch();
  [[nodiscard]] bool keeps_few(std::int64_t changes) const;
  void end_batch(const wire::BatchEnd& end);
  void rowids_durable(std::int64_t schema_version);
  void enqueue(wire::Kind kind, std::string body);
  void enqueue_fragments(wire::Kind kind, std::string_view bytes);
  /// Drops what waits; the number of the message that goes past it.
  [[nodiscard]] std::uint64_t end_outbox();
  void refuse(const Error& error);
  void refuse_stranger(const std::string& peer, const Error& error);

  SourceOptions options_;
  Board& board_;
  wire::Router router_;
  sqlite::Watch watch_;
  TargetMemory target_memory_;
  wire::Bell stop_bell_;
  capture::Prune prune_;
  SourceHealth health_;
  NewTables new_tables_;
  std::optional<capture::Tail> tail_;
  std::optional<snapshot::Reader> reader_;
  std::optional<ServedCopy> served_;  // alone: else apply tells the board itself
  std::optional<CaptureSession> session_;
  SourceVerifier verifier_;
  std::optional<Position> acked_;
  std::int64_t rowids_known_ = -1;  // recorded in the source
  bool other_file_ = false;         // than the one that is recorded
  SteadyTime hot_until_{};
  SteadyTime next_slow_poll_{};
  SteadyTime next_schema_look_{}, next_apply_look_{}, next_schema_record_{};
  std::int64_t schema_recorded_ = -1;  // version of the look that the source has
  SteadyTime heard_{};                 // when apply said something last
  bool apply_awaited_ = false;
  bool poll_now_ = true;
  std::optional<wire::TextWish> text_wish_;  // to be granted when the source is opened next
  std::optional<Error> text_refused_;        // for the next that asks
  bool in_doubt_ = false;                    // apply is to ask for a pass, and was not told yet
  bool barrier_told_ = false;
  std::int64_t newest_seen_ = -1;
  SteadyTime last_commit_{};
};

}  // namespace lockstep::ops
