// The two databases, as streams of rows in key order.
#pragma once

#include <libpq-fe.h>
#include <sqlite3.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tools/compare_cells.hpp"
#include "tests/tools/compare_convert.hpp"

namespace compare {

struct CloseDatabase {
  void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }
};
struct Finish {
  void operator()(PGconn* handle) const noexcept { PQfinish(handle); }
};
struct Clear {
  void operator()(PGresult* handle) const noexcept { PQclear(handle); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;
using Result = std::unique_ptr<PGresult, Clear>;

class Source {
 public:
  explicit Source(const std::string& path) {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE, nullptr);
    database_.reset(handle);
    if (code != SQLITE_OK) fail("open " + path);
    sqlite3_busy_timeout(handle, 5000);
    // BINARY compares UTF-16 databases by their UTF-16 bytes; this one always by UTF-8, as COLLATE
    // "C" does.
    sqlite3_create_collation(
        handle, "compare_bytes", SQLITE_UTF8, nullptr,
        [](void*, int a_size, const void* a, int b_size, const void* b) {
          const std::string_view x{static_cast<const char*>(a), static_cast<std::size_t>(a_size)};
          const std::string_view y{static_cast<const char*>(b), static_cast<std::size_t>(b_size)};
          return x.compare(y);
        });
    collation_ = first("PRAGMA encoding") == "UTF-8" ? "BINARY" : "compare_bytes";
    static_cast<void>(first("BEGIN"));
  }

  Statement prepare(const std::string& sql) {
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &handle, nullptr);
    Statement statement{handle};
    if (code != SQLITE_OK) fail(sql);
    return statement;
  }

  bool step(sqlite3_stmt* statement) {
    const int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail(sqlite3_sql(statement));
    return code == SQLITE_ROW;
  }

  std::string first(const std::string& sql) {
    const Statement statement = prepare(sql);
    return step(statement.get()) ? text(statement.get(), 0) : "";
  }

  static std::string text(sqlite3_stmt* statement, int column) {
    const void* bytes = sqlite3_column_type(statement, column) == SQLITE_BLOB
                            ? sqlite3_column_blob(statement, column)
                            : sqlite3_column_text(statement, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    return size == 0 ? "" : std::string{static_cast<const char*>(bytes), size};
  }

  std::vector<std::string> tables() {
    std::vector<std::string> names;
    const Statement statement = prepare(
        "SELECT name FROM pragma_table_list WHERE schema='main' AND type='table' "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_lockstep\\_%' ESCAPE "
        "'\\' "
        "ORDER BY name COLLATE BINARY");
    while (step(statement.get())) names.push_back(text(statement.get(), 0));
    return names;
  }

  std::vector<Column> columns(const std::string& table) {
    std::vector<Column> result;
    const Statement statement = prepare("PRAGMA main.table_xinfo(" + identifier(table) + ")");
    while (step(statement.get())) {
      if (sqlite3_column_int(statement.get(), 6) == 1) continue;
      std::string type = text(statement.get(), 2);
      std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
      });
      const auto has = [&](const char* part) { return type.find(part) != std::string::npos; };
      result.push_back({.name = text(statement.get(), 1),
                        .text_affinity = !has("INT") && (has("CHAR") || has("CLOB") || has("TEXT")),
                        .real_affinity = !has("INT") && !has("CHAR") && !has("CLOB") &&
                                         !has("TEXT") && !has("BLOB") &&
                                         (has("REAL") || has("FLOA") || has("DOUB")),
                        .key = sqlite3_column_int(statement.get(), 5)});
    }
    return result;
  }

  /// A key term in the order of the target's type. Plain where the class is certain, so that
  /// indexes serve.
  [[nodiscard]] std::string order_term(const Column& column) const {
    const std::string name = column.source_sql();
    if (column.kind == Kind::bytes) return "CAST(" + name + " AS BLOB)";
    if (column.kind != Kind::text) return name + " COLLATE BINARY";
    const std::string value = column.text_affinity ? name : "CAST(" + name + " AS TEXT)";
    return value + " COLLATE " + collation_;
  }

 private:
  [[noreturn]] void fail(const std::string& doing) {
    throw std::runtime_error("SQLite: " + doing + ": " + sqlite3_errmsg(database_.get()));
  }

  std::unique_ptr<sqlite3, CloseDatabase> database_;
  std::string collation_;
};

/// As the ledger writes a key's value: ["class", value].
inline SourceValue value_of(const nlohmann::json& part) {
  using Class = SourceValue::Class;
  const std::string kind = part.at(0);
  if (kind == "null") return {};
  if (kind == "integer") return {.kind = Class::integer, .integer = part.at(1)};
  if (kind == "real") {
    const std::string bits = part.at(1);
    return {
        .kind = Class::real,
        .real = std::bit_cast<double>(static_cast<std::uint64_t>(std::stoull(bits, nullptr, 16)))};
  }
  const bool hex = part.at(1).is_object() || kind == "blob";
  const std::string bytes = part.at(1).is_object() ? part.at(1).at("hex").get<std::string>()
                                                   : part.at(1).get<std::string>();
  return {.kind = kind == "blob" ? Class::blob : Class::text,
          .bytes = hex ? bytes_of_hex(bytes).value() : bytes};
}

class Target {
 public:
  explicit Target(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail("connect");
    PQsetClientEncoding(connection_.get(), "UTF8");
    for (const char* sql :
         {"SET search_path = ''", "SET bytea_output = 'hex'", "SET extra_float_digits = 1",
          "SET datestyle = 'ISO'", "SET timezone = 'UTC'", "SET statement_timeout = 0",
          "SET work_mem = '64MB'", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"})
      static_cast<void>(query(sql, {}));
  }

  Result query(const std::string& sql, const std::vector<std::string>& parameters) {
    std::vector<const char*> values;
    for (const auto& parameter : parameters) values.push_back(parameter.c_str());
    Result result{PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                               nullptr, values.data(), nullptr, nullptr, 0)};
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail(sql);
    return result;
  }

  /// Names and types of the columns; empty if there is no such table.
  std::map<std::string, std::string> columns(const std::string& schema, const std::string& table) {
    const Result result = query(
        "SELECT a.attname, t.typname || CASE WHEN t.typname = 'timestamp' AND a.atttypmod = 3 THEN "
        "'(3)' ELSE '' END FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid "
        "JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
        "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f') "
        "AND a.attnum > 0 AND NOT a.attisdropped",
        {schema, table});
    std::map<std::string, std::string> types;
    for (int row = 0; row < PQntuples(result.get()); ++row)
      types.emplace(PQgetvalue(result.get(), row, 0), PQgetvalue(result.get(), row, 1));
    return types;
  }

  /// Keys of the rows of this table of the source that wait in quarantine, in value_text()'s words.
  std::set<std::string> held_keys(const std::string& schema, const std::string& table) {
    const Result result = query(
        "SELECT q.key FROM lockstep.quarantine q JOIN lockstep.ledger l USING (migration) "
        "WHERE l.target_schema = $1 AND q.name = $2",
        {schema, table});
    std::set<std::string> keys;
    for (int row = 0; row < PQntuples(result.get()); ++row) {
      std::string key;
      for (const auto& part : nlohmann::json::parse(PQgetvalue(result.get(), row, 0)))
        key += value_text(value_of(part));
      keys.insert(key);
    }
    return keys;
  }

  void start_rows(const std::string& sql) {
    if (PQsendQuery(connection_.get(), sql.c_str()) != 1 ||
        PQsetSingleRowMode(connection_.get()) != 1)
      fail(sql);
  }

  /// The next row of start_rows(); nothing at the end.
  Result next_row() {
    Result result{PQgetResult(connection_.get())};
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_SINGLE_TUPLE) return result;
    if (status != PGRES_TUPLES_OK) fail("reading rows");
    while (PGresult* rest = PQgetResult(connection_.get())) PQclear(rest);
    return nullptr;
  }

 private:
  [[noreturn]] void fail(const std::string& doing) {
    throw std::runtime_error("PostgreSQL: " + doing + ": " + PQerrorMessage(connection_.get()));
  }

  std::unique_ptr<PGconn, Finish> connection_;
};

inline bool has_column(const std::vector<Column>& columns, const std::string& name) {
  return std::any_of(columns.begin(), columns.end(), [&](const Column& column) {
    return sqlite3_stricmp(column.name.c_str(), name.c_str()) == 0;
  });
}

/// A name of the rowid that no column has; empty if there is none.
inline std::string rowid_name(const std::vector<Column>& columns) {
  for (const char* name : {"_rowid_", "rowid", "oid"})
    if (!has_column(columns, name)) return name;
  return "";
}

/// What is read of a column. Milliseconds since 1970 are a timestamp(3) there.
inline std::string target_name(const Column& column) {
  const std::string name = identifier(column.target_name());
  if (column.kind == Kind::milliseconds) return "(extract(epoch FROM " + name + ") * 1000)::bigint";
  if (column.kind == Kind::microseconds)
    return "(extract(epoch FROM " + name + ") * 1000000)::bigint";
  return name;
}

inline std::string target_order_term(const Column& column, const std::string& type) {
  std::string term = identifier(column.target_name());
  if (column.kind == Kind::text)
    term += (type == "text" ? "" : "::text") + std::string(" COLLATE \"C\"");
  return term + " ASC NULLS FIRST";
}

inline Kind kind_of(const std::string& type) {
  if (type == "float8" || type == "float4") return Kind::real;
  if (type == "int8" || type == "int4" || type == "int2" || type == "numeric") return Kind::number;
  if (type == "bytea") return Kind::bytes;
  if (type == "timestamp(3)") return Kind::milliseconds;
  if (type == "timestamp" || type == "timestamptz") return Kind::instant;
  if (type == "uuid") return Kind::uuid;
  return type == "bool" ? Kind::boolean : Kind::text;
}

inline SourceValue source_value(sqlite3_stmt* statement, int index) {
  static constexpr SourceValue::Class kClasses[] = {
      SourceValue::Class::integer, SourceValue::Class::real, SourceValue::Class::text,
      SourceValue::Class::blob, SourceValue::Class::null};
  SourceValue value{.kind = kClasses[sqlite3_column_type(statement, index) - SQLITE_INTEGER]};
  value.integer = sqlite3_column_int64(statement, index);
  if (value.kind == SourceValue::Class::real) value.real = sqlite3_column_double(statement, index);
  if (value.kind == SourceValue::Class::text || value.kind == SourceValue::Class::blob)
    value.bytes = Source::text(statement, index);
  return value;
}

inline void read_source_cell(sqlite3_stmt* statement, int index, const Column& column, Cell& cell) {
  static constexpr Cell::Class kClasses[] = {Cell::Class::number, Cell::Class::number,
                                             Cell::Class::text, Cell::Class::blob,
                                             Cell::Class::null};
  cell.kind = kClasses[sqlite3_column_type(statement, index) - SQLITE_INTEGER];
  cell.order = cell.kind;
  cell.spelled_real = false;
  const bool plain = column.text_affinity && cell.kind == Cell::Class::blob;  // see order_term()
  if (cell.kind != Cell::Class::null && column.kind == Kind::text && !plain)
    cell.order = Cell::Class::text;
  if (cell.kind != Cell::Class::null && column.kind == Kind::bytes) cell.order = Cell::Class::blob;
  cell.real = sqlite3_column_type(statement, index) == SQLITE_FLOAT;
  if (cell.real) cell.value = sqlite3_column_double(statement, index);
  if (cell.real && cell.order == Cell::Class::number)
    return;  // its text would be slow, and rounded
  if (cell.kind == Cell::Class::null)
    cell.text.clear();
  else
    cell.text = Source::text(statement, index);
  if (cell.kind == Cell::Class::text) normalise(column.kind, cell.text);
}

inline void read_target_cell(const PGresult* row, int index, const Column& column, Cell& cell) {
  const Kind kind = column.kind;
  static constexpr Cell::Class kClasses[] = {
      Cell::Class::number, Cell::Class::number, Cell::Class::text, Cell::Class::blob,
      Cell::Class::number, Cell::Class::text,   Cell::Class::text, Cell::Class::number,
      Cell::Class::number, Cell::Class::number, Cell::Class::text};
  const bool null = PQgetisnull(row, 0, index) != 0;
  cell.kind = null ? Cell::Class::null : kClasses[static_cast<std::size_t>(kind)];
  cell.order = cell.kind;
  cell.real = !null && kind == Kind::real;
  cell.spelled_real = false;
  std::string_view text{PQgetvalue(row, 0, index),
                        static_cast<std::size_t>(PQgetlength(row, 0, index))};
  if (kind == Kind::literal && !null) {
    set_exact(cell, literal_value(std::string(text)));
  } else if (kind == Kind::decimal && !null) {
    convert_number("numeric", {.kind = SourceValue::Class::text, .bytes = std::string(text)}, cell);
  } else if (cell.real) {
    std::from_chars(text.data(), text.data() + text.size(), cell.value);
  } else if (null || kind != Kind::bytes) {
    cell.text = kind == Kind::boolean && !null ? (text == "t" ? "1" : "0") : text;
    normalise(kind, cell.text);
    // numeric: the nearest double
    cell.real = !null && kind == Kind::number && (column.reals || !as_integer(text));
    if (cell.real) cell.value = std::strtod(cell.text.c_str(), nullptr);
  } else {
    const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    cell.text.clear();
    for (text.remove_prefix(2); text.size() >= 2; text.remove_prefix(2))  // after "\\x"
      cell.text += static_cast<char>(nibble(text[0]) * 16 + nibble(text[1]));
  }
}

}  // namespace compare
