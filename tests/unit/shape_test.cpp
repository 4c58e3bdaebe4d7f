#include "model/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "link/sqlite/shape.hpp"
#include "link/sqlite/sql_text.hpp"
#include "tests/support/shape_of.hpp"

using namespace lockstep;
using test::shape_of;

TEST_CASE("affinity follows SQLite's five rules, in their order") {
  const std::vector<std::pair<std::string, Affinity>> table{{"INT", Affinity::integer},
                                                            {"integer", Affinity::integer},
                                                            {"TINYINT", Affinity::integer},
                                                            {"UNSIGNED BIG INT", Affinity::integer},
                                                            {"INT8", Affinity::integer},
                                                            {"CHARINT", Affinity::integer},
                                                            {"FLOATING POINT", Affinity::integer},
                                                            {"CHARACTER(20)", Affinity::text},
                                                            {"VARCHAR(255)", Affinity::text},
                                                            {"nvarchar(100)", Affinity::text},
                                                            {"TEXT", Affinity::text},
                                                            {"CLOB", Affinity::text},
                                                            {"BLOBTEXT", Affinity::text},
                                                            {"BLOB", Affinity::blob},
                                                            {"", Affinity::blob},
                                                            {"REALBLOB", Affinity::blob},
                                                            {"REAL", Affinity::real},
                                                            {"DOUBLE PRECISION", Affinity::real},
                                                            {"FLOAT", Affinity::real},
                                                            {"NUMERIC", Affinity::numeric},
                                                            {"DECIMAL(10,5)", Affinity::numeric},
                                                            {"BOOLEAN", Affinity::numeric},
                                                            {"DATE", Affinity::numeric},
                                                            {"STRING", Affinity::numeric},
                                                            {"uuid", Affinity::numeric}};
  for (const auto& [type, affinity] : table) {
    INFO(type);
    CHECK(affinity_of(type) == affinity);
    // SQLite itself agrees: the number 7 as text becomes what the affinity makes of it.
    test::Application app(":memory:");
    app.exec("CREATE TABLE t(x " + type + "); INSERT INTO t VALUES ('7'), (x'61')");
    const std::string kind = app.value("SELECT typeof(x) FROM t");
    CHECK(kind == (affinity == Affinity::real                                       ? "real"
                   : affinity == Affinity::integer || affinity == Affinity::numeric ? "integer"
                                                                                    : "text"));
  }
}

TEST_CASE("ANY of a STRICT table takes every value as it is, elsewhere it is a name like any") {
  for (const auto& [strict, affinity, kind] :
       {std::tuple{"", Affinity::numeric, "integer"}, {" STRICT", Affinity::blob, "real"}}) {
    INFO(strict);
    const std::string sql = std::string("CREATE TABLE t(a any, b INT)") + strict;
    CHECK(shape_of(sql).columns[0].affinity == affinity);
    CHECK(shape_of(sql).columns[1].affinity == Affinity::integer);
    test::Application app(":memory:");
    app.exec(sql + "; INSERT INTO t VALUES (5.0, 1)");
    CHECK(app.value("SELECT typeof(a) FROM t") == kind);
  }
}

TEST_CASE("column types come back from their text") {
  for (const ColumnType type :
       {ColumnType::bigint, ColumnType::double_precision, ColumnType::text, ColumnType::bytea,
        ColumnType::numeric, ColumnType::boolean, ColumnType::date, ColumnType::timestamp,
        ColumnType::timestamptz, ColumnType::timestamp_ms, ColumnType::uuid, ColumnType::json})
    CHECK(parse_column_type(to_string(type)) == type);
  CHECK_FALSE(parse_column_type("integer"));
  CHECK_FALSE(parse_column_type(""));
}

TEST_CASE("a rowid alias is an INTEGER PRIMARY KEY and nothing that looks like one") {
  const auto alias = [](const std::string& sql) { return shape_of(sql).rowid_alias.has_value(); };
  CHECK(alias("CREATE TABLE t(a, id INTEGER PRIMARY KEY)"));
  CHECK(alias("CREATE TABLE t(id integer PRIMARY KEY AUTOINCREMENT)"));
  CHECK(alias("CREATE TABLE t(id INTEGER, PRIMARY KEY(id))"));
  CHECK(alias("CREATE TABLE t(id INTEGER, PRIMARY KEY(id DESC))"));
  CHECK_FALSE(alias("CREATE TABLE t(id INTEGER PRIMARY KEY DESC)"));
  CHECK_FALSE(alias("CREATE TABLE t(id INT PRIMARY KEY)"));
  CHECK_FALSE(alias("CREATE TABLE t(id INTEGER PRIMARY KEY) WITHOUT ROWID"));
  CHECK_FALSE(alias("CREATE TABLE t(id INTEGER, b, PRIMARY KEY(id, b))"));
  CHECK_FALSE(alias("CREATE TABLE t(id INTEGER UNIQUE)"));
}

TEST_CASE("a table without a key is keyed by its rowid, under a name that no column has") {
  const TableShape plain = shape_of("CREATE TABLE t(a, b)");
  CHECK(plain.keyed_by_rowid);
  CHECK(plain.key == std::vector<std::size_t>{2});
  REQUIRE(plain.columns.size() == 3);
  CHECK(plain.columns[2].name == "_lockstep_rowid");
  CHECK(plain.columns[2].is_rowid);
  CHECK(plain.columns[2].not_null);
  CHECK(plain.columns[2].affinity == Affinity::integer);
  CHECK_FALSE(plain.rowid_alias);
  CHECK(sqlite::source_name(plain, 2) == "rowid");
  CHECK(sqlite::source_name(plain, 0) == "\"a\"");
  const TableShape taken = shape_of("CREATE TABLE t(_LOCKSTEP_rowid, RowID, _rowid_ UNIQUE)");
  CHECK(taken.columns[3].name == "_lockstep_rowid_");
  CHECK(sqlite::source_name(taken, 3) == "oid");
  CHECK(shape_of("CREATE TABLE t(rowid, _rowid_, oid)").key.empty());
  CHECK_FALSE(shape_of("CREATE TABLE t(k TEXT PRIMARY KEY)").keyed_by_rowid);
}

TEST_CASE(
    "a unique index of columns that are never NULL is the key where there is no primary key") {
  const auto key = [](const std::string& sql) {
    std::vector<std::string> names;
    const TableShape shape = shape_of(sql);
    for (const std::size_t column : shape.key) names.push_back(shape.columns[column].name);
    return fmt::format("{}", fmt::join(names, ","));
  };
  // Prisma's implicit table, Rails' HABTM.
  const std::string table =
      "CREATE TABLE t(a INTEGER NOT NULL, b TEXT NOT NULL, c INT, d REAL NOT NULL);";
  CHECK(key(table + "CREATE UNIQUE INDEX i ON t(b, a); CREATE INDEX j ON t(a)") == "b,a");
  CHECK(key("CREATE TABLE t(a INT NOT NULL UNIQUE, b)") == "a");
  // The fewest columns, then the first by name.
  CHECK(key(table + "CREATE UNIQUE INDEX i ON t(b, a); CREATE UNIQUE INDEX j ON t(a)") == "a");
  CHECK(key(table + "CREATE UNIQUE INDEX j ON t(b); CREATE UNIQUE INDEX i ON t(a)") == "a");
  const TableShape shape = shape_of(table + "CREATE UNIQUE INDEX i ON t(b DESC, a)");
  CHECK(shape.keyed_by_index());
  CHECK_FALSE(shape.keyed_by_rowid);
  REQUIRE(shape.key_index() != nullptr);
  CHECK(shape.key_index()->name == "i");
  CHECK(sqlite::by_rowid(shape)->columns.back().name == "_lockstep_rowid");
  CHECK_FALSE(sqlite::by_rowid(shape_of("CREATE TABLE t(k TEXT PRIMARY KEY)")));
  CHECK_FALSE(sqlite::by_rowid(shape_of("CREATE TABLE t(k)")));
  for (const char* index :
       {"CREATE UNIQUE INDEX i ON t(a, c)", "CREATE UNIQUE INDEX i ON t(a) WHERE a > 0",
        "CREATE UNIQUE INDEX i ON t(b COLLATE NOCASE)", "CREATE UNIQUE INDEX i ON t(lower(b))",
        "CREATE UNIQUE INDEX i ON t(d)", "CREATE UNIQUE INDEX i ON t(a, a)",
        "CREATE INDEX i ON t(a)"}) {
    INFO(index);
    CHECK(key(table + index) == "_lockstep_rowid");
  }
  CHECK(key("CREATE TABLE t(a TEXT COLLATE RTRIM NOT NULL UNIQUE)") == "_lockstep_rowid");
  CHECK(key("CREATE TABLE t(id INTEGER PRIMARY KEY, a INT NOT NULL UNIQUE)") == "id");
}

TEST_CASE("a table that is followed keeps the key that it is followed by") {
  const test::TempDir folder;
  test::Application app(folder.file("a"));
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  app.exec("CREATE TABLE t(a INT NOT NULL, b INT NOT NULL)");
  const TableShape by_rowid = sqlite::read_shape(database, "t");
  app.exec("CREATE UNIQUE INDEX i ON t(a, b)");
  const TableShape by_index = sqlite::read_shape(database, "t");
  CHECK(sqlite::read_shape(database, "t", &by_rowid).key == by_rowid.key);
  CHECK(fingerprint(sqlite::read_shape(database, "t", &by_rowid)) ==
        fingerprint(*sqlite::by_rowid(by_index)));
  app.exec("CREATE UNIQUE INDEX j ON t(b)");
  CHECK(sqlite::read_shape(database, "t").key == std::vector<std::size_t>{1});
  CHECK(sqlite::read_shape(database, "t", &by_index).key == by_index.key);
  app.exec("DROP INDEX i");
  CHECK(sqlite::read_shape(database, "t", &by_index).key == std::vector<std::size_t>{1});
  app.exec("DROP INDEX j");
  CHECK(sqlite::read_shape(database, "t", &by_index).keyed_by_rowid);
}

TEST_CASE("what PRAGMAs do not tell is read from the text of CREATE") {
  const TableShape shape = shape_of(
      "CREATE TABLE t(\"a,b(\" TEXT, [c AS (d)] /* AS (no) */ INT CHECK (1 > 0), e INT AS ([c AS "
      "(d)] + ')' || 1 -- ,(\n ) STORED);"
      "CREATE UNIQUE INDEX i ON t (\"a,b(\" COLLATE nocase desc, lower([c AS (d)]) || 'x,''(' "
      "/* , */ ASC, -e ) /* end */ WHERE e IS NOT 'x -- y' -- end\n;");
  REQUIRE(shape.indexes.size() == 1);
  const Index& index = shape.indexes[0];
  REQUIRE(index.terms.size() == 3);
  CHECK(index.terms[0].expression.empty());
  CHECK(index.terms[0].collation == "NOCASE");
  CHECK(index.terms[1].expression == "lower([c AS (d)]) || 'x,''('");
  CHECK(index.terms[2].expression == "-e");
  CHECK(index.where_sql == "e IS NOT 'x -- y'");
  CHECK(sqlite::generated_expression(shape.sql, "E") == "[c AS (d)] + ')' || 1");
  CHECK(sqlite::generated_expression(shape.sql, "c AS (d)").empty());
  CHECK(sqlite::read_index_text("CREATE INDEX i ON t(\"desc\" || desc, desc)").terms ==
        std::vector<std::string>{"\"desc\" || desc", "desc"});
}

TEST_CASE("a fingerprint moves when a unique index's expression or predicate does") {
  const auto print = [](const std::string& index) {
    return fingerprint(shape_of("CREATE TABLE t(k INT PRIMARY KEY, a, b); CREATE " + index));
  };
  CHECK(print("UNIQUE INDEX i ON t(a) WHERE b > 1") != print("UNIQUE INDEX i ON t(a) WHERE b > 2"));
  CHECK(print("UNIQUE INDEX i ON t(-a)") != print("UNIQUE INDEX i ON t(+a)"));
  // What 0.1.0 could not read of other indexes must not stop a migration that it started.
  CHECK(print("INDEX i ON t(a) WHERE b > 1") == print("INDEX i ON t(a) WHERE b > 2"));
}

TEST_CASE("a shape tells columns, keys and indexes as they were declared") {
  const TableShape shape = shape_of(
      "CREATE TABLE t(a TEXT COLLATE NOCASE, b INT NOT NULL DEFAULT (1+2), c AS (b + 1) STORED, "
      "d GENERATED ALWAYS AS (b) VIRTUAL, e VARCHAR(9) UNIQUE REFERENCES t, CHECK (b > 0), "
      "CHECK(1), "
      "PRIMARY KEY(b DESC, a)) WITHOUT ROWID;"
      "CREATE UNIQUE INDEX i ON t(e COLLATE RTRIM, b DESC) WHERE b > 1; CREATE INDEX j ON "
      "t(lower(e));");
  REQUIRE(shape.columns.size() == 5);
  CHECK(shape.columns[0].collation == "NOCASE");
  CHECK(shape.columns[1].not_null);
  CHECK(shape.columns[1].default_sql == "1+2");
  CHECK(shape.columns[2].generated == Generated::stored);
  CHECK(shape.columns[3].generated == Generated::virtual_column);
  CHECK(shape.columns[4].declared_type == "VARCHAR(9)");
  CHECK(shape.key == std::vector<std::size_t>{1, 0});
  CHECK(shape.without_rowid);
  CHECK(shape.rowid_name.empty());
  CHECK(shape.foreign_keys == 1);
  CHECK(shape.checks == 2);
  CHECK(shape.column_named("e") == 4);
  CHECK_FALSE(shape.column_named("E"));
  REQUIRE(shape.indexes.size() == 4);
  CHECK(shape.indexes[0].name == "i");
  CHECK(shape.indexes[0].partial);
  CHECK(shape.indexes[0].unique);
  CHECK(shape.indexes[0].terms[0].collation == "RTRIM");
  CHECK(shape.indexes[0].terms[1].descending);
  CHECK_FALSE(shape.indexes[1].terms[0].column);
  CHECK(shape.indexes[2].origin == IndexOrigin::unique_constraint);
  CHECK(shape.indexes[3].origin == IndexOrigin::primary_key);
  REQUIRE(shape.indexes[3].terms.size() == 2);
  CHECK(shape.indexes[3].terms[0].descending);
  CHECK(shape.indexes[3].terms[1].collation == "NOCASE");
}

TEST_CASE("the name that reaches a rowid is one that no column has") {
  CHECK(shape_of("CREATE TABLE t(a)").rowid_name == "rowid");
  CHECK(shape_of("CREATE TABLE t(ROWID, oid)").rowid_name == "_rowid_");
  CHECK(shape_of("CREATE TABLE t(Rowid, _rowid_)").rowid_name == "oid");
  CHECK(shape_of("CREATE TABLE t(rowid, _ROWID_, Oid)").rowid_name.empty());
}

TEST_CASE("a fingerprint changes with columns, types, keys and indexes, and with nothing else") {
  const std::string plain = "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b)";
  const std::string base = fingerprint(shape_of(plain));
  CHECK(base.size() == 16);
  CHECK(fingerprint(shape_of(plain +
                             "; INSERT INTO t VALUES (1, 2, 3); CREATE TABLE other(x);"
                             "CREATE TRIGGER mine AFTER INSERT ON t BEGIN SELECT 1; END")) == base);
  std::vector<std::string> all{base};
  for (const std::string& other :
       {std::string("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b, c)"),
        std::string("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b NOT NULL)"),
        std::string("CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b)"),
        std::string("CREATE TABLE t(id INTEGER PRIMARY KEY, b, a TEXT)"),
        std::string("CREATE TABLE t(id INT PRIMARY KEY, a TEXT, b)"),
        plain + "; CREATE INDEX i ON t(a)", plain + "; CREATE INDEX i ON t(b)",
        plain + "; CREATE UNIQUE INDEX i ON t(a)", plain + "; CREATE INDEX i ON t(a DESC)",
        plain + "; CREATE INDEX i ON t(a COLLATE NOCASE)",
        plain + "; CREATE INDEX i ON t(a) WHERE b", plain + "; CREATE INDEX j ON t(a)"}) {
    INFO(other);
    all.push_back(fingerprint(shape_of(other)));
    CHECK(std::count(all.begin(), all.end(), all.back()) == 1);
  }
}

TEST_CASE("the application's tables are listed by kind, ours and SQLite's are not") {
  const test::TempDir folder;
  test::Application app(folder.file("a"));
  app.exec(
      "CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE a(x); CREATE VIEW v AS "
      "SELECT 1;"
      "CREATE VIRTUAL TABLE f USING fts5(x); CREATE TABLE _lockstep_changes (seq INTEGER "
      "PRIMARY KEY, identity INTEGER); CREATE TABLE _lockstep_meta(x); CREATE TABLE lockstep(x);"
      "INSERT INTO b VALUES (41); DELETE FROM b");
  sqlite::Database database = sqlite::Database::open(folder.file("a"), sqlite::OpenMode::read_only);
  std::string text;
  for (const sqlite::TableName& table : sqlite::list_tables(database))
    text += table.name + ":" + std::to_string(static_cast<int>(table.kind)) + " ";
  CHECK(text ==
        "_lockstep_meta:0 a:0 b:0 f:1 f_config:2 f_content:2 f_data:2 f_docsize:2 f_idx:2 "
        "lockstep:0 ");
  CHECK(sqlite::read_sequence(database, "b") == 41);
  CHECK(sqlite::read_sequence(database, "a") == 0);
  CHECK_THROWS_AS(sqlite::read_shape(database, "gone"), Error);
}
