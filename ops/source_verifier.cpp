#include "ops/source_verifier.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>

#include "model/failpoint.hpp"
#include "verify/query.hpp"
#include "verify/values.hpp"

namespace lockstep::ops {

namespace {

constexpr std::size_t kRangesKept = 2;

std::optional<verify::Key> key_from(const std::optional<std::string>& bytes) {
  if (!bytes) return std::nullopt;
  return verify::parse_key_bytes(*bytes);
}

std::vector<verify::Key> keys_from(const std::vector<std::string>& keys) {
  std::vector<verify::Key> parsed;
  parsed.reserve(keys.size());
  for (const std::string& key : keys) parsed.push_back(verify::parse_key_bytes(key));
  return parsed;
}

// Behind the columns, so that an older target takes no notice.
void add_outlines(wire::ShownRow& shown, const TablePlan& plan, const std::vector<Value>& row) {
  constexpr std::size_t kRowMax = 64u << 10;
  std::size_t bytes = 0;
  for (std::size_t column = 0; column < row.size() && bytes < kRowMax; ++column) {
    std::string outline = verify::outline(plan, column, row[column]);
    if (outline.empty()) continue;
    bytes += outline.size();
    shown.values.push_back({column, std::move(outline)});
  }
}

// For a moment only: the target learns of a schema change with the next batch.
Error not_as_on_target(std::uint32_t table) {
  return Error({.code = "LS-V504",
                .exit = ExitCode::stopped,
                .what = fmt::format("table number {} has another shape on both sides", table),
                .why = "the application changed its schema",
                .data = "nothing was compared",
                .todo = "nothing; it is compared once the target has followed",
                .retry = Retry::new_session});
}

}  // namespace

SourceVerifier::SourceVerifier() : thread_([this](const std::stop_token& stop) { work(stop); }) {
  pthread_setname_np(thread_.native_handle(), "verify-0");
}

SourceVerifier::~SourceVerifier() {
  thread_.request_stop();
  came_.notify_all();
}

void SourceVerifier::reset() {
  const std::lock_guard lock(mutex_);
  ++session_;
  wanted_.clear();
  kept_.clear();
}

void SourceVerifier::want(wire::BarrierWanted wanted) {
  const std::lock_guard lock(mutex_);
  wanted_.push_back(std::move(wanted));
}

bool SourceVerifier::wants_view() const {
  const std::lock_guard lock(mutex_);
  return !wanted_.empty() && !job_ && !reading_;
}

std::optional<wire::BarrierWanted> SourceVerifier::next() const {
  const std::lock_guard lock(mutex_);
  if (wanted_.empty() || job_ || reading_) return std::nullopt;
  return wanted_.front();
}

void SourceVerifier::drop_next() {
  const std::lock_guard lock(mutex_);
  if (!wanted_.empty()) wanted_.pop_front();
}

std::string SourceVerifier::begin(capture::View view, const std::vector<TablePlan>& tables,
                                  Milliseconds patience) {
  const std::lock_guard lock(mutex_);
  wire::BarrierWanted wanted = std::move(wanted_.front());
  wanted_.pop_front();
  const auto plan = std::find_if(tables.begin(), tables.end(),
                                 [&](const TablePlan& table) { return table.id == wanted.table; });
  std::vector<sqlite::ReadableTable> readable;
  if (!wanted.queries.empty()) readable = verify::readable_tables(tables);
  std::string body = wire::encode_barrier({wanted.barrier, view.position()});
  job_.emplace(Job{std::move(view), std::move(wanted),
                   plan == tables.end() ? std::nullopt : std::optional(*plan), std::move(readable),
                   patience, session_});
  came_.notify_all();
  return body;
}

std::vector<SourceVerifier::Reply> SourceVerifier::narrow(const wire::Narrow& narrow) {
  const std::lock_guard lock(mutex_);
  std::vector<Reply> replies;
  const auto kept = kept_.find(narrow.barrier);
  if (kept == kept_.end()) return replies;
  for (const std::uint32_t block : narrow.blocks) {
    if (block >= kept->second.blocks()) continue;
    wire::BlockRows rows{narrow.barrier, block, {}};
    for (const verify::KeptRow& row : kept->second.rows_in(block))
      rows.rows.push_back({std::string(row.key), row.hash});
    replies.push_back({wire::Kind::block_rows, wire::encode_block_rows(rows)});
  }
  kept_.erase(kept);
  return replies;
}

std::vector<SourceVerifier::Finished> SourceVerifier::take_finished() {
  bell_.silence();
  const std::lock_guard lock(mutex_);
  return std::exchange(finished_, {});
}

void SourceVerifier::work(const std::stop_token& stop) {
  while (true) {
    std::optional<Job> job;
    {
      std::unique_lock lock(mutex_);
      came_.wait(lock, stop, [&] { return job_.has_value(); });
      if (stop.stop_requested()) return;
      job.emplace(std::move(*job_));
      job_.reset();
      reading_ = true;
    }
    Reply reply;
    try {
      reply = read(*job);
    } catch (const Error& error) {
      reply = {wire::Kind::barrier_failed,
               wire::encode_barrier_failed({job->wanted.barrier, error.facts()})};
    }
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      const bool due = job->session == session_;
      finished_.push_back({job->wanted.barrier,
                           due ? std::optional(std::move(reply)) : std::nullopt,
                           std::move(job->view)});
    }
    bell_.ring();
  }
}

SourceVerifier::Reply SourceVerifier::read(Job& job) {
  if (!job.wanted.queries.empty()) return answer_queries(job);
  if (!job.plan || verify::compared_shape(*job.plan) != job.wanted.shape)
    throw not_as_on_target(job.wanted.table);
  return job.wanted.keys.empty() || job.wanted.digest_keys ? read_range(job) : show_rows(job);
}

SourceVerifier::Reply SourceVerifier::read_range(Job& job) {
  verify::RangeLimits limits;
  if (job.wanted.rows_max > 0)
    limits.rows_max = std::min<std::uint64_t>(limits.rows_max, job.wanted.rows_max);
  const Deadline deadline(job.patience);
  verify::SourceRange range =
      job.wanted.digest_keys
          ? verify::read_source_keys(job.view.database(), *job.plan, keys_from(job.wanted.keys),
                                     deadline)
          : verify::read_source_range(job.view.database(), *job.plan, key_from(job.wanted.after),
                                      deadline, limits);
  LOCKSTEP_FAILPOINT("verify.range_read");
  wire::Digests digests{job.wanted.barrier, {}, std::nullopt};
  if (range.resume) digests.resume = verify::key_bytes(*range.resume);
  for (const verify::Block& block : range.blocks)
    digests.blocks.push_back(
        {block.last ? std::optional(verify::key_bytes(*block.last)) : std::nullopt,
         static_cast<std::uint32_t>(block.rows), block.digest});
  {
    const std::lock_guard lock(mutex_);
    if (job.session == session_) kept_.insert_or_assign(job.wanted.barrier, std::move(range.rows));
    while (kept_.size() > kRangesKept) kept_.erase(kept_.begin());
  }
  return {wire::Kind::digests, wire::encode_digests(digests)};
}

SourceVerifier::Reply SourceVerifier::show_rows(Job& job) {
  const TablePlan& plan = *job.plan;
  wire::ShownRows rows{job.wanted.barrier, {}};
  for (const std::string& key : job.wanted.keys) rows.rows.push_back({key, false, {}});
  const bool with_texts = job.wanted.keys.size() <= wire::kRowsWithTexts;
  const auto show = [&](std::size_t at, const std::vector<Value>& row) {
    wire::ShownRow& shown = rows.rows[at];
    shown.there = true;
    for (const Value& value : row)
      shown.values.push_back(
          {verify::value_hash(value),
           with_texts ? verify::shown_value(plan, shown.values.size(), value.view()) : ""});
    if (with_texts) add_outlines(shown, plan, row);
  };
  verify::read_source_rows(job.view.database(), plan, keys_from(job.wanted.keys), show);
  return {wire::Kind::shown_rows, wire::encode_shown_rows(rows)};
}

}  // namespace lockstep::ops
