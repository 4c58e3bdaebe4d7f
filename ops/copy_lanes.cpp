#include "ops/copy_lanes.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

namespace lockstep::ops {

namespace {

Error unexpected_part(std::uint32_t part, const std::string& why) {
  return Error({.code = "LS-W505",
                .exit = ExitCode::stopped,
                .what = fmt::format("rows of part {} came", part),
                .why = why,
                .data = "nothing of it was kept",
                .todo = "nothing; the session starts again by itself",
                .retry = Retry::new_session});
}

}  // namespace

CopyLanes::CopyLanes(const CopyTarget& target, std::vector<PartToCopy> parts, std::size_t lanes,
                     Board& board)
    : target_(target), parts_(std::move(parts)), board_(board), unfinished_(parts_.size()) {
  for (const PartToCopy& part : parts_) ++parts_left_[part.table->plan.id];
  for (std::size_t i = 0; i < std::min(lanes, parts_.size()); ++i) {
    lanes_.push_back(
        std::make_unique<Lane>(postgres::Connection::open(target_.dsn, fmt::format("copy-{}", i))));
    lanes_.back()->connection.exec(
        "SET lock_timeout = '5s'");  // then the session says who holds it
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = *lanes_[i];
    lane.thread = std::jthread([this, &lane] { run(lane); });
    pthread_setname_np(lane.thread.native_handle(), fmt::format("copy-{}", i).c_str());
  }
}

CopyLanes::~CopyLanes() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_came_.notify_all();
  for (const auto& lane : lanes_)
    if (lane->thread.joinable()) lane->thread.join();
}

void CopyLanes::cancel() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_came_.notify_all();
  room_came_.notify_all();
  loaded_.notify_all();
  for (const auto& lane : lanes_) lane->connection.cancel();
}

void CopyLanes::throw_failure() const {
  if (failure_) throw Error(*failure_);
}

CopyLanes::Lane& CopyLanes::lane_of(std::uint32_t part) {
  if (part >= parts_.size()) throw unexpected_part(part, "it was not asked for");
  Lane* free = nullptr;
  for (const auto& lane : lanes_) {
    if (lane->serves == part) return *lane;
    if (!lane->serves && (free == nullptr || lane->queued_bytes < free->queued_bytes))
      free = lane.get();
  }
  if (free == nullptr) throw unexpected_part(part, "as many other parts are under way as can be");
  free->serves = part;
  return *free;
}

void CopyLanes::enqueue(Lane& lane, Work work, std::size_t bytes,
                        std::unique_lock<std::mutex>& lock) {
  room_came_.wait(lock, [&] {
    return lane.queued_bytes < kQueueBytesMax || failure_.has_value() || stopping_;
  });
  throw_failure();
  lane.queue.push_back(std::move(work));
  lane.queued_bytes += bytes;
  work_came_.notify_all();
}

void CopyLanes::rows(std::uint32_t part, std::string fragment) {
  std::unique_lock lock(mutex_);
  Lane& lane = lane_of(part);
  const std::size_t bytes = fragment.size();
  enqueue(lane, Rows{part, std::move(fragment)}, bytes, lock);
}

void CopyLanes::chunk_end(const wire::ChunkEnd& end) {
  std::unique_lock lock(mutex_);
  Lane& lane = lane_of(end.part);
  enqueue(lane, end, 0, lock);
  if (end.done) lane.serves.reset();
}

bool CopyLanes::finished(Milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (unfinished_ > 0 && !failure_) loaded_.wait_for(lock, patience);
  throw_failure();
  return unfinished_ == 0;
}

std::optional<CopyLanes::Work> CopyLanes::next_work(Lane& lane) {
  std::unique_lock lock(mutex_);
  work_came_.wait(lock, [&] { return !lane.queue.empty() || stopping_; });
  if (stopping_) return std::nullopt;
  Work work = std::move(lane.queue.front());
  lane.queue.pop_front();
  if (const Rows* rows = std::get_if<Rows>(&work)) lane.queued_bytes -= rows->fragment.size();
  room_came_.notify_all();
  return work;
}

void CopyLanes::note_loaded(const wire::ChunkEnd& end) {
  const std::uint32_t table = parts_[end.part].table->plan.id;
  bool table_done = false;
  {
    const std::lock_guard lock(mutex_);
    if (end.done) {
      --unfinished_;
      table_done = --parts_left_[table] == 0;
    }
  }
  board_.chunk_loaded(table, static_cast<std::int64_t>(end.rows), table_done);
  loaded_.notify_all();
}

void CopyLanes::load(Lane& lane) {
  std::unique_ptr<snapshot::Loader> loader;
  while (const auto work = next_work(lane)) {
    const auto* rows = std::get_if<Rows>(&*work);
    const auto* end = std::get_if<wire::ChunkEnd>(&*work);
    if (!loader) {
      const auto& [table, part] = parts_[rows != nullptr ? rows->part : end->part];
      board_.table_begun(table->plan.id);
      loader =
          std::make_unique<snapshot::Loader>(lane.connection, target_.migration, target_.schema,
                                             table->plan, part->number, part->cursor);
    }
    if (rows != nullptr) {
      loader->rows(rows->fragment);
      continue;
    }
    loader->chunk_end(*end);
    if (end->done) loader.reset();
    note_loaded(*end);
  }
}

void CopyLanes::run(Lane& lane) {
  std::optional<Error> failure;
  try {
    load(lane);
  } catch (const Error& error) {
    failure = error;
  } catch (const std::exception& exception) {
    failure = Error({.code = "LS-R799",
                     .exit = ExitCode::bug,
                     .what = "a copy lane ended unexpectedly",
                     .why = exception.what(),
                     .data = "safe: rows and cursor are one transaction",
                     .todo = "run lockstep again; please report this"});
  }
  if (!failure) return;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = failure;
  }
  room_came_.notify_all();
  loaded_.notify_all();
}

}  // namespace lockstep::ops
