#include "apply/target_schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "apply/computed.hpp"
#include "apply/defaults.hpp"
#include "apply/translate.hpp"
#include "link/postgres/encode.hpp"
#include "link/postgres/names.hpp"
#include "link/sqlite/comments.hpp"
#include "link/sqlite/sql_text.hpp"

namespace lockstep::apply {

namespace {

using postgres::qualified;

bool carried(const TablePlan& plan, const Index& index) {
  return std::find(plan.carried_indexes.begin(), plan.carried_indexes.end(), index.name) !=
         plan.carried_indexes.end();
}

// PostgreSQL can have it under the name that it has.
bool keeps_name(const Index& index) {
  return index.origin == IndexOrigin::created &&
         postgres::relation_name_problem(index.name).empty();
}

// Never in the middle of a UTF-8 sequence.
std::string cut(const std::string& name, std::size_t bytes) {
  if (name.size() <= bytes) return name;
  while (bytes > 0 && (static_cast<unsigned char>(name[bytes]) & 0xc0) == 0x80) --bytes;
  return name.substr(0, bytes);
}

bool is_same(const std::vector<std::string>& written, const TableShape& shape,
             const std::vector<std::size_t>& columns) {
  return std::equal(written.begin(), written.end(), columns.begin(), columns.end(),
                    [&](const std::string& name, std::size_t column) {
                      return sqlite::same_name(name, shape.columns[column].name);
                    });
}

// As CONSTRAINT .. says, if the plan carries that; else empty.
std::string declared_name(const TablePlan& plan, sqlite::KeyText::Kind kind,
                          const std::vector<std::size_t>& columns) {
  for (const sqlite::KeyText& key : sqlite::read_keys(plan.shape.sql))
    if (key.kind == kind && is_same(key.columns, plan.shape, columns) &&
        std::find(plan.carried_indexes.begin(), plan.carried_indexes.end(), key.name) !=
            plan.carried_indexes.end())
      return key.name;
  return {};
}

// Gives out names that no table, no carried index and no constraint before has.
class Names {
 public:
  explicit Names(const std::vector<TablePlan>& plans) {
    for (const TablePlan& plan : plans) {
      taken_.insert(plan.target_name());
      for (const Index& index : plan.shape.indexes)
        if (keeps_name(index) && carried(plan, index)) taken_.insert(index.name);
    }
  }

  [[nodiscard]] bool has(const std::string& name) const { return taken_.contains(name); }

  // `wanted`, if PostgreSQL can have it and nothing else has.
  std::string given(const std::string& wanted, const std::string& table, const std::string& middle,
                    const std::string& end) {
    if (postgres::relation_name_problem(wanted).empty() && taken_.insert(wanted).second)
      return wanted;
    return next(table, middle, end);
  }

  std::string next(const std::string& table, const std::string& middle, const std::string& end) {
    for (int attempt = 0;; ++attempt) {
      const std::string tail =
          attempt == 0 ? fmt::format("_{}", end) : fmt::format("_{}{}", end, attempt);
      std::string name = middle.empty() ? table : fmt::format("{}_{}", table, middle);
      name = name_with_tail(name, tail);
      if (taken_.insert(name).second) return name;
    }
  }

 private:
  std::set<std::string> taken_;
};

std::vector<std::string> quoted_key(const TablePlan& plan) {
  std::vector<std::string> names;
  for (const std::size_t column : plan.shape.key)
    names.push_back(postgres::quoted(plan.target_column(column)));
  return names;
}

// The column that SQLite numbers by itself: the INTEGER PRIMARY KEY, or the rowid of a table
// without a key.
std::optional<std::size_t> counting_column(const TablePlan& plan) {
  const TableShape& shape = plan.shape;
  const auto counts = shape.keyed_by_rowid ? shape.key.front() : shape.rowid_alias;
  if (counts && plan.types[*counts] != ColumnType::bigint) return std::nullopt;
  return counts;
}

// What PostgreSQL calls the sequence of an identity by itself, where no such relation is there yet.
// It shortens the longer one of both names first.
std::string own_sequence_name(const std::string& table, const std::string& column) {
  constexpr std::size_t kLeft = postgres::kNameBytesMax - std::string_view("__seq").size();
  std::size_t of_table = table.size(), of_column = column.size();
  while (of_table + of_column > kLeft) --(of_table > of_column ? of_table : of_column);
  return fmt::format("{}_{}_seq", cut(table, of_table), cut(column, of_column));
}

// Another one if a table or index of ours has that name, whichever of them is made first.
std::string identity_sql(const std::string& schema, const TablePlan& plan, std::size_t column,
                         const std::vector<TablePlan>& plans) {
  Names names(plans);
  const std::string& table = plan.target_name();
  const std::string own = own_sequence_name(table, plan.target_column(column));
  if (!names.has(own)) return " GENERATED BY DEFAULT AS IDENTITY";
  return fmt::format(" GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME {})",
                     qualified(schema, names.next(table, plan.target_column(column), "seq")));
}

std::string constant_sql(const AddedColumn& column) {
  if (column.type == ColumnType::boolean) return column.value.integer == 1 ? "true" : "false";
  if (column.type == ColumnType::double_precision)
    return postgres::literal(fmt::format("{}", column.value.real));
  return postgres::literal(column.type == ColumnType::text ? column.value.bytes
                                                           : fmt::to_string(column.value.integer));
}

IndexStatement index_statement(const std::string& name, bool unique, const std::string& table,
                               const std::vector<std::string>& terms) {
  return {name, fmt::format("CREATE {}INDEX {} ON {} ({})", unique ? "UNIQUE " : "",
                            postgres::quoted(name), table, fmt::join(terms, ", "))};
}

std::string constraint_sql(const std::string& name, std::string_view kind,
                           const std::string& table) {
  return fmt::format("ALTER TABLE {0} ADD CONSTRAINT {1} {2} USING INDEX {1}", table,
                     postgres::quoted(name), kind);
}

// An index as PostgreSQL spells it: terms without DESC, and the predicate. `why` if it cannot.
struct IndexSpelling {
  std::vector<std::string> terms;
  std::string where;
  std::string why;
  bool plain = true;  // columns alone, each once: a constraint can use it
};

IndexSpelling spelling(const TablePlan& plan, const Index& index) {
  IndexSpelling spelled;
  const auto fail = [&](const std::string& what, const std::string& why) {
    spelled.why = fmt::format("{}: {}", what, why);
    return spelled;
  };
  spelled.why = type_obstacle(plan, index);
  if (!spelled.why.empty()) return spelled;
  for (const IndexTerm& term : index.terms) {
    const Translation one = term.column ? column_term(plan, *term.column, term.collation)
                                        : translate_term(plan, term.expression, term.collation);
    if (one.sql.empty()) return fail(term.expression, one.why);
    spelled.plain =
        spelled.plain && term.column &&
        one.sql == postgres::quoted(plan.target_column(*term.column)) &&
        std::find(spelled.terms.begin(), spelled.terms.end(), one.sql) == spelled.terms.end();
    spelled.terms.push_back(one.sql);
  }
  if (!index.partial) return spelled;
  const Translation where = translate_condition(plan, index.where_sql);
  if (where.sql.empty()) return fail("WHERE " + index.where_sql, where.why);
  spelled.where = where.sql;
  spelled.plain = false;
  return spelled;
}

// The key itself is compared byte by byte; where SQLite compares it by something looser, an index
// beside it keeps it as unique as it was.
bool is_looser_key(const IndexSpelling& spelled, const Index& index) {
  return index.origin == IndexOrigin::primary_key && !spelled.plain;
}

void add_index(KeyStatements& statements, const std::string& schema, const TablePlan& plan,
               const Index& index, Names& names) {
  const IndexSpelling spelled = spelling(plan, index);
  if (index.origin == IndexOrigin::primary_key && !is_looser_key(spelled, index)) return;
  if (!spelled.why.empty()) return;
  std::vector<std::string> terms = spelled.terms, columns;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const IndexTerm& term = index.terms[i];
    if (index.origin == IndexOrigin::created && term.descending) terms[i] += " DESC";
    if (!term.column) continue;
    columns.push_back(plan.target_column(*term.column));
    numbers.push_back(*term.column);
  }
  const std::string table = qualified(schema, plan.target_name());
  const bool created = index.origin == IndexOrigin::created;
  const std::string name =
      keeps_name(index)
          ? index.name
          : names.given(index.origin == IndexOrigin::unique_constraint
                            ? declared_name(plan, sqlite::KeyText::Kind::unique, numbers)
                            : std::string(),
                        plan.target_name(), fmt::format("{}", fmt::join(columns, "_")),
                        created         ? "idx"
                        : spelled.plain ? "key"
                                        : "folded_key");
  IndexStatement statement = index_statement(name, index.unique, table, terms);
  if (!spelled.where.empty()) statement.sql += " WHERE " + spelled.where;
  statements.indexes.push_back(std::move(statement));
  if (index.origin == IndexOrigin::unique_constraint && spelled.plain)
    statements.constraints.push_back(constraint_sql(name, "UNIQUE", table));
}

// Constraints of one table share a namespace of their own.
void add_checks(KeyStatements& statements, const TablePlan& plan) {
  std::set<std::string> taken;
  for (const IndexStatement& index : statements.indexes) taken.insert(index.name);
  statements.checks = own_checks(plan, std::move(taken));
}

}  // namespace

// SQLite's 0 and 1 are input of boolean as well.
std::string untyped_constant_sql(const AddedColumn& column) {
  if (column.value.kind == ValueClass::text) return postgres::literal(column.value.bytes);
  return postgres::literal(column.value.kind == ValueClass::real
                               ? fmt::format("{}", column.value.real)
                               : fmt::to_string(column.value.integer));
}

std::string default_sql(const TablePlan& plan, std::size_t column) {
  return counting_column(plan) == column ? std::string() : translate_default(plan, column).sql;
}

std::string create_table_sql(const std::string& schema, const TablePlan& plan,
                             const std::vector<TablePlan>& plans) {
  std::vector<std::string> columns;
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    const Column& column = plan.shape.columns[i];
    std::string text =
        fmt::format("{} {}", postgres::quoted(plan.target_column(i)), to_string(plan.types[i]));
    if (const std::string computed = computed_sql(plan, i); !computed.empty())
      text += fmt::format(" GENERATED ALWAYS AS ({}) STORED", computed);
    if (column.not_null || plan.is_key(i)) text += " NOT NULL";
    // The application inserts without a key there; after a cutover it must find the next number.
    if (counting_column(plan) == i)
      text += identity_sql(schema, plan, i, plans);
    else if (const std::string given = default_sql(plan, i); !given.empty())
      text += " DEFAULT " + given;
    columns.push_back(std::move(text));
  }
  for (const AddedColumn& column : plan.rules.added)
    columns.push_back(fmt::format("{} {} NOT NULL DEFAULT {}", postgres::quoted(column.name),
                                  to_string(column.type), constant_sql(column)));
  return fmt::format("CREATE TABLE {} ({})", qualified(schema, plan.target_name()),
                     fmt::join(columns, ", "));
}

std::vector<std::string> comments_sql(const std::string& schema, const TablePlan& plan) {
  std::vector<std::string> statements;
  const std::string table = qualified(schema, plan.target_name());
  for (const sqlite::Comment& comment : sqlite::read_comments(plan.shape.sql)) {
    const ValueView text{ValueClass::text, 0, 0, comment.text};
    if (postgres::misfit_of(text, ColumnType::text) != postgres::Misfit::none) continue;
    const auto column = plan.shape.column_named(comment.column);
    if (!comment.column.empty() && !column) continue;
    statements.push_back(fmt::format(
        "COMMENT ON {} IS {}",
        column ? fmt::format("COLUMN {}.{}", table, postgres::quoted(plan.target_column(*column)))
               : "TABLE " + table,
        postgres::literal(comment.text)));
  }
  return statements;
}

std::string type_obstacle(const TablePlan& plan, const Index& index) {
  if (index.origin == IndexOrigin::primary_key) return {};
  for (const IndexTerm& term : index.terms) {
    if (!term.column) continue;
    const ColumnType type = plan.types[*term.column];
    const std::string& name = plan.shape.columns[*term.column].name;
    if (type == ColumnType::json) return fmt::format("{} is json, which has no order", name);
    const bool merges = type == ColumnType::timestamp || type == ColumnType::timestamptz ||
                        type == ColumnType::uuid;
    if (index.unique && merges && !plan.spelling(*term.column).bound)
      return fmt::format("{} is {}, which takes different spellings for one value", name,
                         to_string(type));
  }
  return {};
}

std::vector<std::string> left_out(const TablePlan& plan) {
  std::vector<std::string> sentences;
  const auto say = [&](std::string text) { sentences.push_back(std::move(text)); };
  for (const Index& index : plan.shape.indexes) {
    const bool key = index.origin == IndexOrigin::primary_key;
    if (!key && !carried(plan, index)) continue;  // the plan says why
    const std::string why = spelling(plan, index).why;
    if (why.empty() && index.origin == IndexOrigin::created && !keeps_name(index))
      say(fmt::format("the name of index {}, which gets another: {}", index.name,
                      postgres::relation_name_problem(index.name)));
    if (why.empty()) continue;
    if (key)
      say("its key is unique byte by byte only: " + why);
    else
      say(fmt::format("{} index {}: {}{}", index.unique ? "unique" : "plain", index.name,
                      type_obstacle(plan, index).empty() ? "not translated: " : "", why));
  }
  for (const sqlite::KeyText& key : sqlite::read_keys(plan.shape.sql))
    if (const std::string why = postgres::relation_name_problem(key.name);
        !key.name.empty() && !why.empty())
      say(fmt::format("the name of constraint {}, which gets another: {}", key.name, why));
  for (const sqlite::CheckText& check : sqlite::read_checks(plan.shape.sql))
    if (const Translation one = translate_condition(plan, check.expression); one.sql.empty())
      say(fmt::format("CHECK ({}): not translated: {}", check.expression, one.why));
  for (std::size_t i = 0; i < plan.shape.columns.size(); ++i) {
    const Column& column = plan.shape.columns[i];
    if (const Translation given = translate_default(plan, i); !given.why.empty())
      say(fmt::format("DEFAULT {} of {}: not translated: {}", column.default_sql, column.name,
                      given.why));
  }
  return sentences;
}

KeyStatements key_statements(const std::string& schema, const TablePlan& plan,
                             const std::vector<TablePlan>& plans) {
  Names names(plans);
  KeyStatements statements;
  // Every table's names are given out in the same order each time, so a rerun finds the same ones.
  for (const TablePlan& each : plans) {
    if (each.existing) continue;  // has its own
    const std::string name =
        names.given(declared_name(each, sqlite::KeyText::Kind::primary, each.shape.key),
                    each.target_name(), "", "pkey");
    const std::string table = qualified(schema, each.target_name());
    KeyStatements own{{index_statement(name, true, table, quoted_key(each))},
                      {constraint_sql(name, "PRIMARY KEY", table)},
                      {}};
    for (const Index& index : each.shape.indexes)
      if (index.origin == IndexOrigin::primary_key || carried(each, index))
        add_index(own, schema, each, index, names);
    if (each.id == plan.id) add_checks(own, each);
    if (each.id == plan.id) statements = std::move(own);
  }
  return statements;
}

std::string name_with_tail(const std::string& name, const std::string& tail) {
  return cut(name, postgres::kNameBytesMax - tail.size()).append(tail);
}

std::string sequence_sql(const std::string& schema, const TablePlan& plan) {
  const auto counting = counting_column(plan);
  if (!counting) return {};
  const std::string& column = plan.target_column(*counting);
  const std::string table = qualified(schema, plan.target_name());
  // A table without rows leaves the sequence alone unless sqlite_sequence remembers a number.
  return fmt::format(
      "SELECT setval(pg_get_serial_sequence({}, {}), top) FROM (SELECT greatest(max({}), {}) AS "
      "top FROM {}) "
      "AS t WHERE top >= 1",
      postgres::literal(table), postgres::literal(column), postgres::quoted(column), plan.sequence,
      table);
}

}  // namespace lockstep::apply
