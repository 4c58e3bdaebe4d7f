#include <libpq-fe.h>
#include <poll.h>

#include <charconv>
#include <limits>

#include "link/postgres/connection.hpp"

namespace lockstep::postgres {

namespace {

constexpr std::size_t kDrainBytes = 64 * 1024;  // libpq's own threshold for sending in a pipeline
constexpr std::size_t kStatementBytes = 64;     // about what the heads of one statement cost
constexpr std::size_t kParametersMax = 65535;
// A TLS record can leave bytes in OpenSSL that poll() does not see: look again after this time.
constexpr int kPollMs = 1000;

std::int64_t affected_rows(const pg_result* result) {
  const std::string_view text = PQcmdTuples(const_cast<pg_result*>(result));
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

Pipeline::Pipeline(Connection& connection)
    : connection_(connection), warnings_before_(connection.warnings()) {
  pg_conn* handle = connection_.handle();
  check(PQtransactionStatus(handle) != PQTRANS_ACTIVE, "nothing runs beside a pipeline");
  if (PQsetnonblocking(handle, 1) != 0 || PQenterPipelineMode(handle) != 1) lose();
}

Pipeline::~Pipeline() {
  // Statements without an answer: nobody can know what state the session is in.
  if (!finished_) connection_.sever();
}

void Pipeline::exec(const std::string& sql) {
  const int accepted = lost_ ? 0
                             : PQsendQueryParams(connection_.handle(), sql.c_str(), 0, nullptr,
                                                 nullptr, nullptr, nullptr, 0);
  count_statement(accepted, sql.size());
}

void Pipeline::prepare(const std::string& name, const std::string& sql) {
  const int accepted =
      lost_ ? 0 : PQsendPrepare(connection_.handle(), name.c_str(), sql.c_str(), 0, nullptr);
  count_statement(accepted, sql.size());
}

void Pipeline::run(const std::string& name, std::span<const BinaryParameter> parameters) {
  check(parameters.size() <= kParametersMax, "a statement has at most 65535 parameters");
  std::vector<const char*> values;
  std::vector<int> lengths;
  const std::vector<int> formats(parameters.size(), 1);
  values.reserve(parameters.size());
  lengths.reserve(parameters.size());
  std::size_t bytes = 0;
  for (const BinaryParameter& parameter : parameters) {
    const std::string_view value = parameter.value_or(std::string_view{});
    check(value.size() <= std::numeric_limits<std::int32_t>::max(), "a parameter fits its length");
    // An empty view may point nowhere, and nowhere means NULL to libpq.
    values.push_back(!parameter ? nullptr : value.empty() ? "" : value.data());
    lengths.push_back(static_cast<int>(value.size()));
    bytes += value.size();
  }
  const int accepted = lost_
                           ? 0
                           : PQsendQueryPrepared(connection_.handle(), name.c_str(),
                                                 static_cast<int>(parameters.size()), values.data(),
                                                 lengths.data(), formats.data(), 0);
  count_statement(accepted, bytes);
}

void Pipeline::commit() {
  check(!commit_index_, "a pipeline commits once");
  if (!lost_) commit_index_ = sent_;
  exec("COMMIT");
}

void Pipeline::count_statement(int accepted, std::size_t bytes) {
  check(!finished_, "a finished pipeline takes no statements");
  ++sent_;
  bytes_undrained_ += bytes + kStatementBytes;
  if (accepted != 1)
    lose();
  else if (bytes_undrained_ >= kDrainBytes)
    drain_available();
}

/// Sends all that waits, and reads meanwhile: a server that cannot write its answers stops reading.
/// After finish() it goes on until the last answer is here.
void Pipeline::drain_available() {
  pg_conn* handle = connection_.handle();
  bytes_undrained_ = 0;
  while (!lost_ && !synced_) {
    const bool readable = PQconsumeInput(handle) == 1;
    take_answers();
    const int unsent = readable ? PQflush(handle) : -1;
    if (unsent < 0) lose();
    if (lost_ || synced_ || (unsent == 0 && !finished_)) return;
    pollfd ready{PQsocket(handle), static_cast<short>(unsent == 1 ? POLLIN | POLLOUT : POLLIN), 0};
    poll(&ready, 1, kPollMs);
  }
}

void Pipeline::take_answers() {
  pg_conn* handle = connection_.handle();
  while (!synced_ && !lost_ && PQisBusy(handle) == 0) {
    const std::unique_ptr<pg_result, ClearResult> result(PQgetResult(handle));
    if (result) {
      take_answer(result.get());
      continue;
    }
    if (!answer_begun_) return;
    answer_begun_ = false;
    ++answered_;
    warnings_before_ = connection_.warnings();
  }
}

void Pipeline::take_answer(const pg_result* result) {
  const ExecStatusType status = PQresultStatus(result);
  const bool refused = status == PGRES_FATAL_ERROR;
  if (status == PGRES_PIPELINE_SYNC) {
    synced_ = true;
    return;
  }
  answer_begun_ = true;
  if (status == PGRES_PIPELINE_ABORTED) return;
  if (refused && PQresultErrorField(result, PG_DIAG_SQLSTATE) == nullptr) {
    lose();  // libpq's own words: no answer of the server
    return;
  }
  if (refused && !outcome_.error) {
    outcome_.error = to_error(connection_, result, "a statement of a pipeline");
    outcome_.failed_statement = answered_;
    outcome_known_ = true;  // the rest is skipped, COMMIT too
  }
  if (commit_index_ == answered_) {
    outcome_.commit = connection_.commit_outcome(result, warnings_before_);
    outcome_known_ = true;
  }
  outcome_.affected.resize(answered_ + 1);
  outcome_.affected[answered_] = affected_rows(result);
}

void Pipeline::lose() {
  lost_ = true;
  connection_.sever();
  if (outcome_.error) return;
  outcome_.error = to_error(connection_, nullptr, "a statement of a pipeline");
  outcome_.failed_statement = answered_;
}

Pipeline::Outcome Pipeline::finish() {
  check(!finished_, "a pipeline is finished once");
  finished_ = true;
  pg_conn* handle = connection_.handle();
  if (!lost_ && PQpipelineSync(handle) != 1) lose();
  if (!lost_ && commit_index_ && PQflush(handle) == 0 && !connection_.commit_sent()) lose();
  drain_available();
  outcome_.affected.resize(sent_);
  if (lost_) {
    if (commit_index_ && !outcome_known_) outcome_.commit = CommitOutcome::in_doubt;
    return std::move(outcome_);
  }
  PQexitPipelineMode(handle);
  PQsetnonblocking(handle, 0);
  if (commit_index_ && outcome_.commit == CommitOutcome::aborted) connection_.abort();
  return std::move(outcome_);
}

}  // namespace lockstep::postgres
