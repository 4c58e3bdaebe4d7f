#include "link/postgres/copy.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>

#include "link/postgres/errors.hpp"
#include "model/big_endian.hpp"

namespace lockstep::postgres {

namespace {

using ResultHandle = std::unique_ptr<pg_result, ClearResult>;

// Signature, flags, length of the header's extension.
constexpr std::string_view kSignature{"PGCOPY\n\xff\r\n\0", 11};
constexpr std::string_view kHeader{"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19};
constexpr std::string_view kTrailer{"\xff\xff", 2};
constexpr int kEndOfRows = -1;                 // of PQgetCopyData
constexpr std::size_t kLumpBytes = 64 * 1024;  // from here on the head of a message costs nothing
constexpr std::size_t kMessageBytesMax = 1024 * 1024;  // libpq's buffer grows to the largest one

void begin(Connection& connection, const std::string& sql, ExecStatusType wanted) {
  const ResultHandle result(PQexec(connection.handle(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_FATAL_ERROR) throw to_error(connection, result.get(), "running " + sql);
  check(status == wanted && PQbinaryTuples(result.get()) == 1, "the statement is a binary COPY");
}

/// Reads what is left of the COPY's answer. The first result that is an error, else the last one.
ResultHandle drained(Connection& connection) {
  ResultHandle kept;
  for (;;) {
    ResultHandle next(PQgetResult(connection.handle()));
    if (!next) return kept;
    const ExecStatusType status = PQresultStatus(next.get());
    if (status == PGRES_COPY_IN) {  // the end could not even be said: no way back to a known state
      connection.sever();
      continue;
    }
    if (!kept || PQresultStatus(kept.get()) != PGRES_FATAL_ERROR) kept = std::move(next);
    if (status != PGRES_COPY_OUT) continue;
    char* skipped = nullptr;
    int bytes = 0;
    while ((bytes = PQgetCopyData(connection.handle(), &skipped, 0)) > 0) PQfreemem(skipped);
    if (bytes != kEndOfRows) connection.sever();
  }
}

}  // namespace

void FreeCopyBuffer::operator()(char* buffer) const noexcept {
  PQfreemem(buffer);
}

CopyIn::CopyIn(Connection& connection, const std::string& sql)
    : connection_(connection), buffer_(kHeader) {
  begin(connection_, sql, PGRES_COPY_IN);
}

CopyIn::~CopyIn() {
  if (!open_) return;
  PQputCopyEnd(connection_.handle(), "lockstep gave up this copy");
  drained(connection_);
}

void CopyIn::put(std::string_view tuples) {
  if (buffer_.size() + tuples.size() < kLumpBytes) {
    buffer_.append(tuples);
    return;
  }
  flush();
  while (!tuples.empty()) {
    const std::string_view lump = tuples.substr(0, kMessageBytesMax);
    tuples.remove_prefix(lump.size());
    if (PQputCopyData(connection_.handle(), lump.data(), static_cast<int>(lump.size())) != 1)
      throw to_error(connection_, nullptr, "sending rows");
  }
}

void CopyIn::flush() {
  if (!buffer_.empty() &&
      PQputCopyData(connection_.handle(), buffer_.data(), static_cast<int>(buffer_.size())) != 1)
    throw to_error(connection_, nullptr, "sending rows");
  buffer_.clear();
}

std::int64_t CopyIn::finish() {
  check(open_, "a copy is finished once");
  buffer_.append(kTrailer);
  flush();
  PQputCopyEnd(connection_.handle(), nullptr);
  open_ = false;
  const ResultHandle answer = drained(connection_);
  if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK)
    throw to_error(connection_, answer.get(), "copying rows");
  return std::strtoll(PQcmdTuples(answer.get()), nullptr, 10);
}

CopyOut::CopyOut(Connection& connection, const std::string& sql) : connection_(connection) {
  begin(connection_, sql, PGRES_COPY_OUT);
}

CopyOut::~CopyOut() {
  if (done_) return;
  connection_.cancel();
  drained(connection_);
}

bool CopyOut::fetch() {
  char* message = nullptr;
  const int bytes = PQgetCopyData(connection_.handle(), &message, 0);
  buffer_.reset(message);
  if (bytes > 0) {
    rest_ = {message, static_cast<std::size_t>(bytes)};
    return true;
  }
  done_ = true;
  const ResultHandle answer = drained(connection_);
  if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK)
    throw to_error(connection_, answer.get(), "reading rows");
  return false;
}

void CopyOut::throw_too_short(std::size_t bytes) const {
  throw malformed_copy(connection_.dsn(), fmt::format("{} bytes missing", bytes - rest_.size()));
}

bool CopyOut::next(std::vector<std::optional<std::string_view>>& fields) {
  if (done_) return false;
  if (rest_.empty() && !fetch())
    throw malformed_copy(connection_.dsn(), "it ends without its trailer");
  if (!header_read_) {
    if (take(kSignature.size()) != kSignature)
      throw malformed_copy(connection_.dsn(), "its signature is wrong");
    take(sizeof(std::int32_t));  // flags: only OIDs, gone since PostgreSQL 12
    take(static_cast<std::size_t>(
        std::max(load_big_endian<std::int32_t>(take(sizeof(std::int32_t)).data()), 0)));
    header_read_ = true;
    if (rest_.empty()) return next(fields);
  }
  const std::int16_t count = load_big_endian<std::int16_t>(take(sizeof(std::int16_t)).data());
  if (count < 0) {
    while (fetch()) {
    }
    return false;
  }
  fields.resize(static_cast<std::size_t>(count));
  for (std::optional<std::string_view>& field : fields) {
    const std::int32_t length = load_big_endian<std::int32_t>(take(sizeof(std::int32_t)).data());
    if (length < 0)
      field.reset();
    else
      field = take(static_cast<std::size_t>(length));
  }
  return true;
}

}  // namespace lockstep::postgres
