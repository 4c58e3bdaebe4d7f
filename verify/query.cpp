#include "verify/query.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "link/postgres/names.hpp"
#include "link/sqlite/statement.hpp"
#include "verify/values.hpp"

namespace lockstep::verify {

namespace {

// SQLSTATEs.
constexpr std::string_view kCanceled = "57014", kReadOnly = "25006";

// pg_type's oids.
constexpr unsigned kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26,
                   kFloat4 = 700, kFloat8 = 701, kNumeric = 1700;

// Inside of parentheses nothing but a query can stand; a comment at its end must not eat them.
std::string inside(const std::string& sql, std::string_view around) {
  std::string_view text = sql;
  while (!text.empty() && (text.back() == ';' || text.back() == ' ' || text.back() == '\n' ||
                           text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return fmt::format("SELECT * FROM (\n{}\n) {} LIMIT {}", text, around, kAnswerRowsMax + 1);
}

/// Counts what an answer takes, and says when it is too much.
class Room {
 public:
  explicit Room(Answer& answer) : answer_(answer) {}
  [[nodiscard]] bool row() {
    if (answer_.rows.size() < kAnswerRowsMax) {
      answer_.rows.emplace_back();
      return true;
    }
    return refuse(fmt::format("it has more than {} rows", kAnswerRowsMax));
  }
  [[nodiscard]] bool cell(Cell cell) {
    bytes_ += cell.text.size() + 16;
    if (bytes_ > kAnswerBytesMax) return refuse("its answer is larger than 1 MiB");
    answer_.rows.back().push_back(std::move(cell));
    return true;
  }

 private:
  bool refuse(std::string why) {
    answer_.problem = std::move(why);
    answer_.rows.clear();
    return false;
  }
  Answer& answer_;
  std::size_t bytes_ = 0;
};

std::string real_text(double number) {
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  return fmt::format("{}", number);
}

Cell cell_of(const ValueView& value) {
  switch (value.kind) {
    case ValueClass::null:
      return {};
    case ValueClass::integer:
      return {Cell::Kind::number, std::to_string(value.integer)};
    case ValueClass::real:
      return {Cell::Kind::number, real_text(value.real)};
    case ValueClass::text:
      return {Cell::Kind::text, std::string(value.bytes)};
    case ValueClass::blob:
      return {Cell::Kind::blob, std::string(value.bytes)};
  }
  return {};
}

std::string bytes_of(std::string_view hex) {  // \x00ff
  const auto digit = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
  std::string bytes;
  for (std::size_t i = 2; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return bytes;
}

Cell cell_of(const postgres::Result& rows, int row, int column) {
  if (rows.is_null(row, column)) return {};
  const std::string_view text = rows.value(row, column);
  switch (rows.type(column)) {
    case kBool:
      return {Cell::Kind::number, text == "t" ? "1" : "0"};
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
    case kFloat4:
    case kFloat8:
    case kNumeric:
      return {Cell::Kind::number, std::string(text)};
    case kBytea:
      return {Cell::Kind::blob, bytes_of(text)};
    default:
      return {Cell::Kind::text, std::string(text)};
  }
}

void read_rows(sqlite::Statement& rows, Room& room) {
  while (rows.step()) {
    if (!room.row()) return;
    for (int i = 0; i < rows.columns(); ++i)
      if (!room.cell(cell_of(rows.value(i)))) return;
  }
}

void read_rows(const postgres::Result& rows, Room& room) {
  for (int row = 0; row < rows.rows(); ++row) {
    if (!room.row()) return;
    for (int i = 0; i < rows.columns(); ++i)
      if (!room.cell(cell_of(rows, row, i))) return;
  }
}

// Who reads a table, through whatever view or function, has a lock on it until the transaction
// ends.
bool has_touched(postgres::Connection& target, const std::string& schema,
                 const std::vector<std::string>& tables) {
  return target
      .query(
          "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON "
          "c.oid IN (l.relation, pg_catalog.pg_partition_root(l.relation)) JOIN "
          "pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE l.pid = "
          "pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND n.nspname = $1 AND "
          "c.relname = ANY ($2::text[]))",
          {schema, postgres::text_array(tables)})
      .boolean(0, 0);
}

}  // namespace

std::vector<sqlite::ReadableTable> readable_tables(const std::vector<TablePlan>& tables) {
  std::vector<sqlite::ReadableTable> readable;
  for (const TablePlan& plan : tables) {
    sqlite::ReadableTable& table = readable.emplace_back();
    table.name = plan.name();
    for (std::size_t i = 0; i < plan.shape.columns.size(); ++i)
      if (plan.is_personal(i)) table.personal.insert(plan.shape.columns[i].name);
  }
  return readable;
}

Answer ask_source(sqlite::Database& source, sqlite::ReadGuard& guard, const std::string& sql) {
  Answer answer;
  static_cast<void>(guard.take_personal());
  try {
    const std::string whole = inside(sql, "");
    if (!guard.is_one_statement(whole)) {
      answer.problem = "the source may not run it: it has to be one SELECT";
      return answer;
    }
    sqlite::Statement rows(source, whole);
    Room room(answer);
    read_rows(rows, room);
  } catch (const Error& error) {
    answer.rows.clear();
    if (!guard.denied().empty())
      answer.problem = "the source may not run it: " + guard.denied();
    else if (guard.timed_out())
      answer.problem = "it ran for too long on the source and was cut off";
    else if (error.code() == "LS-S329")  // what SQLite says of the statement itself
      answer.problem = error.facts().why + "; it has to be one SELECT";
    else
      throw;
  }
  answer.personal = guard.take_personal();
  return answer;
}

std::vector<std::string> personal_tables(const std::vector<TablePlan>& tables) {
  std::vector<std::string> names;
  for (const TablePlan& plan : tables)
    if (std::find(plan.personal.begin(), plan.personal.end(), true) != plan.personal.end())
      names.push_back(plan.target_name());
  return names;
}

Answer ask_target(postgres::Connection& target, const std::string& schema,
                  const std::vector<std::string>& personal, const std::string& sql,
                  Milliseconds patience) {
  Answer answer;
  target.exec(fmt::format(
      "SAVEPOINT lockstep_query; SET LOCAL statement_timeout = {}; SET LOCAL search_path = {}, "
      "pg_catalog, pg_temp",
      patience.count(), postgres::quoted(schema)));
  try {
    const postgres::Result rows = target.query(inside(sql, "AS answer"), {});
    Room room(answer);
    read_rows(rows, room);
    answer.personal = !personal.empty() && has_touched(target, schema, personal);
  } catch (const Error& error) {
    if (!target.alive()) throw;
    answer.rows.clear();
    answer.problem = error.foreign() == kCanceled
                         ? "it ran for too long on the target and was cut off"
                     : error.foreign() == kReadOnly ? "the target may not run it: it writes"
                     : personal.empty()             ? error.facts().why
                                                    : fmt::format(
                                                          "the target refuses it with SQLSTATE {} (its "
                                                                      "words could quote personal data)",
                                                          error.foreign());
  }
  target.exec("ROLLBACK TO SAVEPOINT lockstep_query");
  return answer;
}

Milliseconds live_patience(sqlite::Database& source) {
  constexpr Milliseconds kInWal{10'000}, kWithJournal{250};
  return source.in_wal_mode() ? kInWal : kWithJournal;
}

std::string describe(const Cell& cell) {
  if (cell.kind == Cell::Kind::number) return cell.text;
  ValueView value;
  value.kind = cell.kind == Cell::Kind::text   ? ValueClass::text
               : cell.kind == Cell::Kind::blob ? ValueClass::blob
                                               : ValueClass::null;
  value.bytes = cell.text;
  return lockstep::describe(value);
}

std::string masked(const Cell& cell) {
  Value value;
  if (cell.kind == Cell::Kind::null) return "NULL";
  value.kind = cell.kind == Cell::Kind::blob ? ValueClass::blob : ValueClass::text;
  value.bytes = cell.text;
  return masked(value.view());
}

std::string describe(const Answer& answer, bool personal) {
  constexpr std::size_t kRowsShown = 3, kCellsShown = 8;
  if (!answer.problem.empty()) return "no answer";
  if (answer.rows.empty()) return "no row";
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < std::min(kRowsShown, answer.rows.size()); ++i) {
    std::vector<std::string> cells;
    for (const Cell& cell : answer.rows[i]) {
      if (cells.size() == kCellsShown) {
        cells.emplace_back("...");
        break;
      }
      cells.push_back(personal ? masked(cell) : describe(cell));
    }
    rows.push_back(fmt::format("{}", fmt::join(cells, ", ")));
  }
  std::string text = fmt::format("{}", fmt::join(rows, " | "));
  if (answer.rows.size() > kRowsShown)
    text += fmt::format(" | and {} rows more", answer.rows.size() - kRowsShown);
  return text;
}

}  // namespace lockstep::verify
