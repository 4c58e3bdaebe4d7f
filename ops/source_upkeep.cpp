// What the capturing end does for the source beside answering: looks after its file, prunes.
#include <utility>

#include "capture/schema_record.hpp"
#include "ops/source_worker.hpp"
#include "ops/text_columns.hpp"

namespace lockstep::ops {

namespace {
constexpr Milliseconds kSchemaEvery{100};
constexpr Milliseconds kRecordEvery{1'000};
constexpr Milliseconds kRests{50};           // an application that has not committed for so long
constexpr Milliseconds kApplySilent{5'000};  // it says something each second unless it is busy
constexpr Milliseconds kApplyLookEvery{1'000};
constexpr Milliseconds kJustNow{1};  // its commit was seen: the next write is not due yet
}  // namespace

// Before anything is read: whatever the schema is now, triggers and plans belong to it afterwards.
void SourceWorker::follow_source() {
  for (const Note& note :
       follow_schema(options_.path, options_.installed, true, false, options_.look_at_target))
    board_.schema_note(note);
}

// What cannot be is told to the apply that asks again, as its own affair.
void SourceWorker::grant_text_wish() {
  if (!text_wish_) return;
  try {
    for (const Note& note : turn_into_text(options_.path, options_.installed, *text_wish_))
      board_.schema_note(note);
  } catch (const Error& error) {
    if (error.code() != "LS-D422") throw;
    text_refused_ = error;
  }
  text_wish_.reset();
}

// Apply is told with the welcome of the next session.
void SourceWorker::take_up_doubt(capture::SchemaWatch& watch) {
  if (!watch.in_doubt()) return;
  watch.taken_up();
  in_doubt_ = true;
  board_.schema_note(
      {"LS-S335", "",
       "the source's schema moved further than what is there now explains: an index "
       "or table came and went unseen. If that was a UNIQUE index, rows that REPLACE "
       "took away by it are on the target still: all tables are compared, the result "
       "will be in the status"});
}

void SourceWorker::welcome_arrived() {
  in_doubt_ = false;
  tail_->doubt_was_told();
}

// A lockstep after this one finds by it what happened while none ran. If the application holds the
// lock, later: till then the look before is there.
void SourceWorker::record_schema() {
  const SteadyTime now = steady_now();
  const capture::SchemaWatch& watch = tail_->schema_watch();
  if (watch.last().version == schema_recorded_ || now < next_schema_record_ ||
      tail_->seen_in_place() != watch.last().version || !watch.sees_clearly())
    return;
  next_schema_record_ = now + kRecordEvery;
  try {
    sqlite::Database database = sqlite::Database::open(options_.path, sqlite::OpenMode::read_write,
                                                       options_.prune.busy_patience);
    if (capture::keep_look(database, watch)) schema_recorded_ = watch.last().version;
  } catch (const Error& error) {
    if (error.retry() == Retry::never) throw;
  }
}

// Also while nothing is sent: what is written to a table without triggers is not logged.
void SourceWorker::look_at_schema() {
  const SteadyTime now = steady_now();
  if (now < next_schema_look_) return;
  next_schema_look_ = now + kSchemaEvery;
  if (tail_->schema_moved()) tail_->check_schema();
  if (tail_->schema_accepted())
    throw Error({.code = "LS-S306",
                 .exit = ExitCode::stopped,
                 .what = "a migration was accepted",
                 .why = "lockstep ddl accept",
                 .data = "the tables are planned as they are on both sides now",
                 .todo = "nothing; lockstep goes on",
                 .retry = Retry::new_session});
  for (const std::string& name : tail_->take_new_tables())
    if (!options_.installed.choice) board_.new_table(name);
  record_schema();
  if (!new_tables_.due(tail_->schema_version(), options_.installed)) return;
  throw Error({.code = "LS-S306",
               .exit = ExitCode::stopped,
               .what = "the source has new tables",
               .why = "the application made them",
               .data = "they are read as a whole",
               .todo = "nothing; lockstep follows them",
               .retry = Retry::new_session});
}

// Who is alone looks at the source itself while nobody asks for changes: they wait all the same.
void SourceWorker::look_for_apply() {
  const SteadyTime now = steady_now();
  // Else nothing moves the next poll, and waiting for a session would be a loop of a millisecond.
  if (!session_ && now >= next_slow_poll_) next_slow_poll_ = now + options_.slow_poll;
  if (!options_.alone || !tail_ || now < next_apply_look_) return;
  next_apply_look_ = now + kApplyLookEvery;
  if (session_ && now - heard_ <= kApplySilent) {
    if (std::exchange(apply_awaited_, false)) board_.stop_awaiting();
    return;
  }
  apply_awaited_ = true;
  if (!session_) board_.phase("waiting for apply", false);
  board_.await("LS-S337", session_
                              ? "lockstep apply is not heard: it is busy, or gone"
                              : "no lockstep apply is connected; changes are logged, and wait");
  const Position newest = tail_->newest();
  see_commit(newest);
  board_.captured(newest);
}

void SourceWorker::look_after_source() {
  look_at_schema();
  if (health_.look(*tail_, acked_)) return;
  if (session_) session_->batch.reset();  // it reads through the tail
  tail_.reset();
  reader_.reset();
  health_.give_up();
}

// A slice while the application rests or, if that does not happen for long, right behind a commit.
// True: there may be more at once.
bool SourceWorker::prune() {
  if (!acked_ || !prune_.is_due(*acked_)) return false;
  see_commit(tail_->newest());
  const auto since = steady_now() - last_commit_;
  const bool rests = since > kRests;
  if (!rests && !(since < kJustNow && prune_.is_urgent(*acked_))) return false;
  const std::int64_t rows = prune_.turn(*acked_);
  if (rows > 0) board_.pruned(rows);
  return rests && rows > 0;
}

void SourceWorker::see_commit(const Position& newest) {
  if (newest.seq == newest_seen_) return;
  newest_seen_ = newest.seq;
  last_commit_ = steady_now();
}

// Rare: only after VACUUM and its like, and only where a table has no key. If the application holds
// the lock, the tables are read once more after the next start, and that is all.
void SourceWorker::rowids_durable(std::int64_t schema_version) {
  if (schema_version == rowids_known_) return;
  rowids_known_ = schema_version;
  try {
    sqlite::Database database = sqlite::Database::open(options_.path, sqlite::OpenMode::read_write,
                                                       options_.prune.busy_patience);
    capture::record_rowids_version(database, schema_version);
  } catch (const Error& error) {
    if (error.retry() == Retry::never) throw;
  }
}

}  // namespace lockstep::ops
