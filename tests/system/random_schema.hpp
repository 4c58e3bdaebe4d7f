// Random schemas of SQLite with values and writes for them: everything its grammar lets in, few
// values each, so that they meet often.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace lockstep::test {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::size_t roll(std::size_t sides) { return random_() % sides; }
  bool chance(std::size_t percent) { return roll(100) < percent; }
  const std::string& pick(const std::vector<std::string>& list) { return list[roll(list.size())]; }

 private:
  std::mt19937_64 random_;
};

inline std::string quote(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text.append(c == '"' ? 2 : 1, c);
  return text + '"';
}

/// What a column mostly holds.
enum class Habit {
  integers,
  reals,
  decimals,
  texts,
  blobs,
  flags,
  days,
  instants,
  uuids,
  json,
  all
};

struct RandomColumn {
  std::string name, type;
  Habit habit = Habit::texts;
  bool writable = true;  ///< not generated
  bool nulls = true;
};

struct RandomTable {
  std::string name;
  std::vector<RandomColumn> columns{};
  std::vector<std::string> sql{};  ///< CREATE TABLE, then indexes
  std::string key{};               ///< the column that is its key, if one is
};

class RandomSchema {
 public:
  explicit RandomSchema(std::uint64_t seed) : dice_(seed) {
    for (std::size_t i = 0, count = 1 + dice_.roll(3); i < count; ++i) add_table(i);
  }
  [[nodiscard]] std::vector<RandomTable>& tables() { return tables_; }

  /// One statement that writes; it may well be refused by a constraint.
  std::string write(bool filling) {
    const RandomTable& table = tables_[dice_.roll(tables_.size())];
    if (filling || dice_.chance(40)) return insert(table);
    if (dice_.chance(75)) return update(table);
    return "DELETE FROM " + quote(table.name) + where(table);
  }
  Dice& dice() { return dice_; }

 private:
  std::string value(const RandomColumn& column) {
    if (column.nulls && dice_.chance(10)) return "NULL";
    return value_of(column.habit);
  }

  std::string value_of(Habit habit) {
    static const std::vector<std::string> integers{"1",
                                                   "2",
                                                   "3",
                                                   "4",
                                                   "5",
                                                   "6",
                                                   "7",
                                                   "0",
                                                   "-1",
                                                   "2147483648",
                                                   "9223372036854775807",
                                                   "-9223372036854775808"};
    static const std::vector<std::string> reals{"1.5",
                                                "2.5",
                                                "-0.5",
                                                "0.1",
                                                "1e100",
                                                "5e-324",
                                                "1.7976931348623157e308",
                                                "9e999",
                                                "-9e999",
                                                "123456789.123456789",
                                                "1e23",
                                                "0.30000000000000004"};
    static const std::vector<std::string> texts{"'a'",
                                                "'A'",
                                                "'b'",
                                                "'b '",
                                                "''",
                                                "'é'",
                                                "'É'",
                                                "'12'",
                                                "'1.0'",
                                                "'x''y'",
                                                "'\\N'",
                                                "'a' || char(10) || 'b'",
                                                "char(0x1f600)",
                                                "'NULL'",
                                                "'null'",
                                                "'true'",
                                                "'long' || hex(zeroblob(200))"};
    static const std::vector<std::string> blobs{"x''",       "x'00'", "x'ff'",
                                                "x'00ff10'", "x'61'", "zeroblob(3000)"};
    static const std::vector<std::string> days{"'2024-01-02'", "'2024-02-29'", "'0001-01-01'",
                                               "'9999-12-31'", "'1969-12-31'"};
    static const std::vector<std::string> instants{
        "'2024-01-02 03:04:05'", "'2024-01-02 03:04:05.123456'", "'1969-12-31 23:59:59.999'",
        "'2024-07-01T00:00:00'", "'2024-07-01 12:00'"};
    static const std::vector<std::string> uuids{"'6ba7b810-9dad-41d1-80b4-00c04fd430c8'",
                                                "'00000000-0000-4000-8000-000000000000'",
                                                "'ffffffff-ffff-4fff-bfff-ffffffffffff'"};
    static const std::vector<std::string> jsons{R"('{"a":1.10,"a":2}')", "'[]'", "'null'",
                                                "'\"x\"'", R"('{"b": [1, 2,3]}')"};
    static const std::vector<std::string> odd{"CAST(x'ff' AS TEXT)", "'a' || char(0)", "-0.0",
                                              "'2024-13-01'", "'{bad'"};
    switch (habit) {
      case Habit::integers:
        return dice_.chance(50) ? std::to_string(dice_.roll(40)) : dice_.pick(integers);
      case Habit::reals:
        return dice_.chance(30) ? fmt::format("{}.25", dice_.roll(20)) : dice_.pick(reals);
      case Habit::decimals:
        return dice_.chance(50) ? std::to_string(dice_.roll(9)) : dice_.pick(reals);
      case Habit::texts:
        return dice_.chance(50) ? fmt::format("'{}{}{}'", dice_.chance(70) ? 'w' : 'W',
                                              dice_.roll(20), dice_.chance(90) ? "" : " ")
                                : dice_.pick(texts);
      case Habit::blobs:
        return dice_.chance(50) ? fmt::format("x'{:02x}'", dice_.roll(30)) : dice_.pick(blobs);
      case Habit::flags:
        return dice_.chance(50) ? "1" : "0";
      case Habit::days:
        return dice_.pick(days);
      case Habit::instants:
        return dice_.pick(instants);
      case Habit::uuids:
        return dice_.pick(uuids);
      case Habit::json:
        return dice_.pick(jsons);
      case Habit::all:
        break;
    }
    return dice_.chance(10) ? dice_.pick(odd) : value_of(static_cast<Habit>(dice_.roll(10)));
  }

  RandomColumn column(std::size_t number, bool strict) {
    struct Kind {
      const char* type;
      Habit habit;
    };
    static const std::vector<Kind> loose{{"INTEGER", Habit::integers},
                                         {"INT", Habit::integers},
                                         {"BIGINT", Habit::integers},
                                         {"TEXT", Habit::texts},
                                         {"VARCHAR(10)", Habit::texts},
                                         {"", Habit::texts},
                                         {"", Habit::reals},
                                         {"", Habit::blobs},
                                         {"BLOB", Habit::blobs},
                                         {"REAL", Habit::reals},
                                         {"DOUBLE", Habit::reals},
                                         {"NUMERIC", Habit::decimals},
                                         {"DECIMAL(10,2)", Habit::decimals},
                                         {"BOOLEAN", Habit::flags},
                                         {"DATE", Habit::days},
                                         {"DATETIME", Habit::instants},
                                         {"TIMESTAMP", Habit::instants},
                                         {"UUID", Habit::uuids},
                                         {"CHAR(36)", Habit::uuids},
                                         {"JSON", Habit::json},
                                         {"STRING", Habit::integers},
                                         {"FLOATING POINT", Habit::integers},
                                         {"weird \"\"type", Habit::decimals}};
    static const std::vector<Kind> exact{{"INT", Habit::integers}, {"INTEGER", Habit::integers},
                                         {"REAL", Habit::reals},   {"TEXT", Habit::texts},
                                         {"BLOB", Habit::blobs},   {"ANY", Habit::texts},
                                         {"ANY", Habit::integers}};
    static const std::vector<std::string> names{
        "select", "Mixed Case", "we\"ird", "ü",     "semi;colon", "a'b", "back`tick",
        "%s",     "$1",         "x.y",     "1st",   "rowid",      "oid", "_rowid_",
        "É",      "new\nline",  "user",    "order", "-- no",      "/*",  "[b]"};
    const Kind& kind = strict ? exact[dice_.roll(exact.size())] : loose[dice_.roll(loose.size())];
    RandomColumn made{.name = dice_.chance(25) ? dice_.pick(names) + std::to_string(number)
                                               : fmt::format("c{}", number),
                      .type = kind.type,
                      .habit = kind.habit};
    if (dice_.chance(4)) made.name = dice_.pick(names);  // rowid itself, for instance
    if (dice_.chance(1)) made.name = "ctid";
    if (dice_.chance(3)) made.habit = Habit::all;
    return made;
  }

  std::string constraints(RandomColumn& column) {
    std::string text;
    const std::string name = quote(column.name);
    if (dice_.chance(20)) {
      static const std::vector<std::string> defaults{
          "7",       "-1.5",    "'it''s'", "NULL",         "CURRENT_TIMESTAMP",
          "(1 + 2)", "x'00ff'", "'12'",    "(lower('A'))", "true",
          "\"dq\"",  "0x10"};
      text +=
          " DEFAULT " + (dice_.chance(60) ? value_of(column.habit).find('(') == std::string::npos
                                                ? "(" + value_of(column.habit) + ")"
                                                : "7"
                                          : dice_.pick(defaults));
    }
    if (dice_.chance(20)) {
      text += " NOT NULL";
      column.nulls = false;
    }
    if (dice_.chance(18)) text += " UNIQUE";
    if (dice_.chance(25)) text += dice_.chance(60) ? " COLLATE NOCASE" : " COLLATE RTRIM";
    if (dice_.chance(10)) {
      static const std::vector<std::string> checks{
          "{0} <> 'never'",     "length({0}) < 1000",     "{0} IS NULL OR {0} = {0}",
          "{0} > -3",           "{0} IN (1, 2, 3, NULL)", "{0} NOT LIKE 'never%'",
          "typeof({0}) <> 'x'", "{0} NOT GLOB 'zz*'",     "abs(coalesce({0}, 0)) >= 0"};
      text += " CHECK (" + fmt::format(fmt::runtime(dice_.pick(checks)), name) + ")";
    }
    return text;
  }

  void add_table(std::size_t number) {
    static const std::vector<std::string> names{
        "order", "Mixed Case", "we\"ird", "ü",    "semi;colon", "a'b", "back`tick", "%s",
        "$1",    "x.y",        "1st",     "st*r", "[t]",        "É",   "lockstep"};
    RandomTable table{.name = dice_.chance(30) ? fmt::format("{} {}", dice_.pick(names), number)
                                               : fmt::format("t{}", number)};
    const bool strict = dice_.chance(12);
    std::string body;
    std::string tail;
    bool without_rowid = false;
    const std::size_t key = dice_.roll(6);
    if (key <= 1) {
      table.columns.push_back({.name = "id", .type = "INTEGER", .habit = Habit::integers});
      body = key == 0 ? "id INTEGER PRIMARY KEY" : "id INTEGER PRIMARY KEY AUTOINCREMENT";
    } else if (key == 2 || key == 3) {
      table.columns.push_back(column(90, strict));
      RandomColumn& first = table.columns.back();
      if (first.habit == Habit::decimals) first.habit = Habit::integers;
      first.nulls = dice_.chance(3);
      body = quote(first.name) + " " + spelled(first.type) + " PRIMARY KEY" +
             (dice_.chance(15) ? " DESC" : "") + (dice_.chance(20) ? " COLLATE NOCASE" : "");
      without_rowid = dice_.chance(40);
    }
    for (std::size_t i = 0, count = 1 + dice_.roll(6); i < count; ++i) {
      table.columns.push_back(column(i, strict));
      RandomColumn& made = table.columns.back();
      if (key == 4 && i < 2) made.nulls = false;
      if (key == 4 && i < 2 && made.habit == Habit::decimals) made.habit = Habit::integers;
      body += (body.empty() ? "" : ", ") + quote(made.name) + " " + spelled(made.type) +
              constraints(made);
    }
    if (key == 4 && table.columns.size() >= 2) {
      tail = fmt::format(", PRIMARY KEY ({}{}, {})", quote(table.columns[1].name),
                         dice_.chance(20) ? " DESC" : "", quote(table.columns[0].name));
      without_rowid = dice_.chance(40);
    }
    if (key <= 3) table.key = table.columns.front().name;
    if (dice_.chance(20)) body += generated(table, strict);
    if (dice_.chance(30)) tail += foreign_key(table);
    std::string options = without_rowid ? " WITHOUT ROWID" : "";
    if (strict) options += options.empty() ? " STRICT" : ", STRICT";
    table.sql.push_back(
        fmt::format("CREATE TABLE {}({}{}){}", quote(table.name), body, tail, options));
    for (std::size_t i = 0, count = dice_.roll(3); i < count; ++i)
      table.sql.push_back(
          index(table, fmt::format("{}{}", dice_.chance(80) ? "i" : "ix y", number * 10 + i)));
    tables_.push_back(std::move(table));
  }

  /// To a table from before, or to itself; now and then to a column that is no key.
  std::string foreign_key(const RandomTable& table) {
    static const std::vector<std::string> actions{
        "", "", "CASCADE", "CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT"};
    const std::size_t chosen = dice_.roll(tables_.size() + 1);
    const RandomTable& parent = chosen < tables_.size() ? tables_[chosen] : table;
    const RandomColumn& child = table.columns[dice_.roll(table.columns.size())];
    if (parent.key.empty() || !child.writable) return "";
    std::string text =
        fmt::format(", FOREIGN KEY ({}) REFERENCES {}", quote(child.name), quote(parent.name));
    if (dice_.chance(80)) text += fmt::format("({})", quote(parent.key));
    for (const char* event : {" ON DELETE ", " ON UPDATE "})
      if (const std::string& action = dice_.pick(actions); !action.empty()) text += event + action;
    if (dice_.chance(20)) text += " DEFERRABLE INITIALLY DEFERRED";
    return text;
  }

  static std::string spelled(const std::string& type) {
    return type.starts_with("weird") ? "\"" + type + "\"" : type;
  }

  std::string generated(RandomTable& table, bool strict) {
    static const std::vector<std::string> terms{"length({0})", "{0} || 'x'",
                                                "upper({0})",  "coalesce({0}, 'none')",
                                                "typeof({0})", "{0} IS NULL"};
    const RandomColumn of = table.columns[dice_.roll(table.columns.size())];
    table.columns.push_back({.name = "made", .type = "", .writable = false});
    return fmt::format(", made {} AS ({}) {}", strict ? "ANY" : "",
                       fmt::format(fmt::runtime(dice_.pick(terms)), quote(of.name)),
                       dice_.chance(50) ? "STORED" : "VIRTUAL");
  }

  std::string index(const RandomTable& table, const std::string& name) {
    static const std::vector<std::string> expressions{"lower({0})", "length({0})", "{0} || 'x'",
                                                      "{0} IS NULL", "substr({0}, 1, 2)"};
    static const std::vector<std::string> filters{"{0} IS NOT NULL", "{0} > 3", "{0} = 'a'",
                                                  "{0} <> 'w1'", "{0} IN (1, 2)"};
    std::string terms;
    for (std::size_t i = 0, count = 1 + dice_.roll(2); i < count; ++i) {
      const std::string of = quote(table.columns[dice_.roll(table.columns.size())].name);
      terms += (i > 0 ? ", " : "") +
               (dice_.chance(20) ? fmt::format(fmt::runtime(dice_.pick(expressions)), of) : of);
      if (dice_.chance(30)) terms += dice_.chance(50) ? " COLLATE NOCASE" : " COLLATE RTRIM";
      if (dice_.chance(25)) terms += " DESC";
    }
    std::string text =
        fmt::format("CREATE {} {} ON {}({})", dice_.chance(40) ? "UNIQUE INDEX" : "INDEX",
                    quote(name), quote(table.name), terms);
    if (dice_.chance(25))
      text += " WHERE " + fmt::format(fmt::runtime(dice_.pick(filters)),
                                      quote(table.columns[dice_.roll(table.columns.size())].name));
    return text;
  }

  std::string conflict() {
    static const std::vector<std::string> clauses{
        "", "", " OR REPLACE", " OR REPLACE", " OR IGNORE", " OR FAIL", " OR ROLLBACK"};
    return dice_.pick(clauses);
  }

  std::string where(const RandomTable& table) {
    const std::string of = quote(table.columns[dice_.roll(table.columns.size())].name);
    return fmt::format(" WHERE {0} IS (SELECT {0} FROM {1} LIMIT 1 OFFSET {2})", of,
                       quote(table.name), dice_.roll(20));
  }

  std::string insert(const RandomTable& table) {
    std::string names;
    std::string values;
    for (const RandomColumn& column : table.columns) {
      if (!column.writable || dice_.chance(6)) continue;
      names += (names.empty() ? "" : ", ") + quote(column.name);
      values += (values.empty() ? "" : ", ") + value(column);
    }
    if (names.empty()) return "INSERT INTO " + quote(table.name) + " DEFAULT VALUES";
    const std::string head =
        fmt::format("INTO {}({}) VALUES ({})", quote(table.name), names, values);
    if (dice_.chance(20)) {
      const RandomColumn& column = table.columns[dice_.roll(table.columns.size())];
      if (column.writable)
        return fmt::format("INSERT {} ON CONFLICT DO UPDATE SET {} = {}", head, quote(column.name),
                           value(column));
      return "REPLACE " + head;
    }
    return "INSERT" + conflict() + " " + head;
  }

  std::string update(const RandomTable& table) {
    const RandomColumn& column = table.columns[dice_.roll(table.columns.size())];
    if (!column.writable) return "DELETE FROM " + quote(table.name) + where(table);
    std::string change = value(column);
    if (dice_.chance(25)) change = quote(table.columns[dice_.roll(table.columns.size())].name);
    if (column.habit != Habit::all && change.starts_with('"')) change = quote(column.name);
    return fmt::format("UPDATE{} {} SET {} = {}{}", conflict(), quote(table.name),
                       quote(column.name), change, dice_.chance(90) ? where(table) : "");
  }

  Dice dice_;
  std::vector<RandomTable> tables_;
};

}  // namespace lockstep::test
