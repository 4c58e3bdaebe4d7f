// Tables with keys of every kind, and everything that can be wrong with a row of theirs on the
// target.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>

#include "tests/system/world.hpp"

namespace lockstep::test {

// Keys of every kind. What the application writes meanwhile begins with w, or behind ten million.
constexpr char kFaultySchema[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE composite(k TEXT COLLATE NOCASE, d REAL, b BLOB, r REAL, v TEXT, w TEXT,"
    " PRIMARY KEY(k, d, b)) WITHOUT ROWID;"
    "CREATE TABLE instants(at DATETIME PRIMARY KEY, n INT);"
    "CREATE TABLE keyless(v TEXT, w TEXT, r REAL, n INT);"
    "CREATE TABLE literals(id PRIMARY KEY, n INT);"
    "CREATE TABLE plain(id INTEGER PRIMARY KEY, i INT, j INT, r REAL, s TEXT, t TEXT, b BLOB,"
    " n NUMERIC, at DATETIME);"
    "CREATE TABLE uuids(id CHAR(32) PRIMARY KEY, at DATETIME, flag BOOLEAN, day DATE, doc JSON);";

/// A text is empty in each fourth row and NULL in each fourth, else it has both cases.
inline std::string text_of(int n) {
  return fmt::format(
      "CASE {} % 4 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE 'Ab' || hex(randomblob(5)) END", n);
}

inline void fill(const std::string& file, int rows) {
  std::string sql = "BEGIN;";
  for (int n = 0; n < rows; ++n) {
    sql += fmt::format(
        "INSERT INTO plain VALUES ({0}, random(), random(), random() / 7.0, {1}, 'Cd{0}', CASE {0} "
        "% 5 WHEN 0 "
        "THEN x'' WHEN 1 THEN NULL ELSE randomblob(9) END, abs(random()) % 100 / 4.0, "
        "strftime('%Y-%m-%d "
        "%H:%M:%f', {0} * 100, 'unixepoch'));"
        "INSERT INTO keyless VALUES ({1}, 'Ef{0}', random() / 7.0, {0});",
        n, text_of(n));
    if (n % 2 == 0)
      sql += fmt::format(
          "INSERT INTO composite VALUES ('{2}Key{0}', {0} / 4.0, randomblob(3), random() / 7.0, "
          "{1}, 'Gh{0}');",
          n / 2 % 50, text_of(n), static_cast<char>('A' + n % 22));
    if (n % 4 == 0)
      sql += fmt::format(
          "INSERT INTO uuids VALUES ('0' || substr(lower(hex(randomblob(6))), 2) || '4abc8' || "
          "substr(lower(hex(randomblob(8))), 2), "
          "strftime('%Y-%m-%d %H:%M:%f', "
          "{0}, 'unixepoch'), {0} % 8 = 0, date('2020-01-01', '{0} days'), '{{\"a\": {0}}}');"
          "INSERT INTO instants VALUES (strftime('%Y-%m-%dT%H:%M:%S', {0} * 1000, 'unixepoch'), "
          "0);"
          "INSERT INTO literals VALUES ({1}, 0);",
          n, n % 8 == 0 ? fmt::format("{}", n) : fmt::format("'id{}'", n));
  }
  sqlite(file, sql + "COMMIT");
}

struct Keyed {
  const char* table;
  const char* key;   ///< canonical bytes (verify/README.md), spelled in PostgreSQL's SQL
  const char* ours;  ///< rows that no writer touches
};
constexpr std::array kKeyed{
    Keyed{
        "composite",
        "'\\x03'::bytea || int8send(octet_length(k)) || convert_to(k, 'UTF8') || '\\x02'::bytea || "
        "float8send(d) || '\\x04'::bytea || int8send(octet_length(b)) || b",
        "k < 'w'"},
    Keyed{"instants",
          "'\\x03'::bytea || int8send(length(rtrim(rtrim(to_char(at, 'YYYY-MM-DD HH24:MI:SS.US'), "
          "'0'), "
          "'.'))) || convert_to(rtrim(rtrim(to_char(at, 'YYYY-MM-DD HH24:MI:SS.US'), '0'), '.'), "
          "'UTF8')",
          "true"},
    Keyed{"keyless", "'\\x01'::bytea || int8send(_lockstep_rowid)", "_lockstep_rowid < 10000000"},
    Keyed{"literals", "'\\x03'::bytea || int8send(octet_length(id)) || convert_to(id, 'UTF8')",
          "true"},
    Keyed{"plain", "'\\x01'::bytea || int8send(id)", "id < 10000000"},
    Keyed{"uuids", "'\\x03'::bytea || int8send(36) || convert_to(id::text, 'UTF8')",
          "id < 'ffff0000-0000-0000-0000-000000000000'"},
};

enum class Becomes { missing, extra, differ, moved };

/// What somebody does to one row on the target.
struct Fault {
  const char* table;
  Becomes becomes;
  const char* where;    ///< the row must be like this, so that it is another one afterwards
  const char* sql;      ///< SET …, the columns of INSERT … SELECT, or nothing: DELETE
  const char* flipped;  ///< a double; {flipped} is it with one bit turned over
};
constexpr std::array kFaults{
    Fault{"plain", Becomes::missing, "true", "", nullptr},
    Fault{"plain", Becomes::extra, "true", "id + 50000000, i, j, r, s, t, b, n, at", nullptr},
    Fault{"plain", Becomes::moved, "true", "id = id + 60000000", nullptr},  // the count is right
    Fault{"plain", Becomes::differ, "true", "i = i # (1::bigint << (id % 63)::int)", nullptr},
    Fault{"plain", Becomes::differ, "true", "r = {flipped}", "r"},
    Fault{"plain", Becomes::differ, "i <> j", "i = j, j = i", nullptr},
    Fault{"plain", Becomes::differ, "s IS DISTINCT FROM t", "s = t, t = s", nullptr},
    Fault{"plain", Becomes::differ, "true", "t = t || ' '", nullptr},
    Fault{"plain", Becomes::differ, "s <> ''", "s = lower(s)", nullptr},
    Fault{"plain", Becomes::differ, "true", "t = overlay(t placing 'x' from 2 for 1)", nullptr},
    Fault{"plain", Becomes::differ, "s = ''", "s = NULL", nullptr},
    Fault{"plain", Becomes::differ, "s IS NULL", "s = ''", nullptr},
    Fault{"plain", Becomes::differ, "b = ''", "b = NULL", nullptr},
    Fault{"plain", Becomes::differ, "b <> ''",
          "b = set_bit(b, (id % 72)::int, 1 - get_bit(b, (id % 72)::int))", nullptr},
    Fault{"plain", Becomes::differ, "true", "n = n + 0.0000000001", nullptr},
    Fault{"plain", Becomes::differ, "true", "at = at + interval '1 microsecond'", nullptr},
    Fault{"composite", Becomes::missing, "true", "", nullptr},
    Fault{"composite", Becomes::extra, "true", "k || 'x', d, b, r, v, w", nullptr},
    Fault{"composite", Becomes::moved, "true", "k = lower(k)", nullptr},
    Fault{"composite", Becomes::moved, "true", "k = k || ' '", nullptr},
    Fault{"composite", Becomes::moved, "d > 0", "d = {flipped}", "d"},
    Fault{"composite", Becomes::moved, "true", "b = set_byte(b, 2, 255 - get_byte(b, 2))", nullptr},
    Fault{"composite", Becomes::differ, "true", "r = {flipped}", "r"},
    Fault{"composite", Becomes::differ, "v IS DISTINCT FROM w", "v = w, w = v", nullptr},
    Fault{"composite", Becomes::differ, "true", "w = w || ' '", nullptr},
    Fault{"composite", Becomes::differ, "true", "w = upper(w)", nullptr},
    Fault{"composite", Becomes::differ, "v = ''", "v = NULL", nullptr},
    Fault{"keyless", Becomes::missing, "true", "", nullptr},
    Fault{"keyless", Becomes::extra, "true", "v, w, r, n, _lockstep_rowid + 50000000", nullptr},
    Fault{"keyless", Becomes::moved, "true", "_lockstep_rowid = _lockstep_rowid + 60000000",
          nullptr},
    Fault{"keyless", Becomes::differ, "true", "r = {flipped}", "r"},
    Fault{"keyless", Becomes::differ, "v IS DISTINCT FROM w", "v = w, w = v", nullptr},
    Fault{"keyless", Becomes::differ, "v <> ''", "v = v || ' '", nullptr},
    Fault{"keyless", Becomes::differ, "true", "w = upper(w)", nullptr},
    Fault{"keyless", Becomes::differ, "v = ''", "v = NULL", nullptr},
    Fault{"keyless", Becomes::differ, "true", "n = NULL", nullptr},
    Fault{"uuids", Becomes::missing, "true", "", nullptr},
    Fault{"uuids", Becomes::extra, "true",
          "overlay(id::text placing '1' from 1 for 1)::uuid, at, flag, day, doc", nullptr},
    Fault{"uuids", Becomes::moved, "true", "id = overlay(id::text placing '2' from 1 for 1)::uuid",
          nullptr},
    Fault{"uuids", Becomes::differ, "true", "at = at - interval '1 microsecond'", nullptr},
    Fault{"uuids", Becomes::differ, "true", "flag = NOT flag", nullptr},
    Fault{"uuids", Becomes::differ, "true", "day = day + 1", nullptr},
    Fault{"uuids", Becomes::differ, "true", "doc = (doc::text || ' ')::json", nullptr},
    Fault{"instants", Becomes::missing, "true", "", nullptr},
    Fault{"instants", Becomes::extra, "true", "at + interval '0.5 seconds', n", nullptr},
    Fault{"instants", Becomes::moved, "true", "at = at + interval '1 microsecond'", nullptr},
    Fault{"instants", Becomes::differ, "true", "n = n - 1", nullptr},
    Fault{"literals", Becomes::missing, "true", "", nullptr},
    Fault{"literals", Becomes::moved, "true", "id = id || ' '", nullptr},
    Fault{"literals", Becomes::differ, "true", "n = NULL", nullptr},
};

}  // namespace lockstep::test
