#include "link/postgres/meddling.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "model/big_endian.hpp"

namespace lockstep::postgres {

namespace {

// An array of one dimension as the server receives it in binary: how many, then each with its
// length.
constexpr std::int32_t kOidType = 26;
constexpr std::int32_t kTextType = 25;

void append_number(std::string& out, std::int32_t number) {
  const std::size_t at = out.size();
  out.resize(at + sizeof number);
  store_big_endian(out.data() + at, number);
}

std::string array_head(std::int32_t type, std::size_t elements) {
  std::string head;
  for (const std::int32_t number :
       {elements > 0 ? 1 : 0, 0, type, static_cast<std::int32_t>(elements), 1})
    append_number(head, number);
  if (elements == 0) head.resize(3 * sizeof(std::int32_t));
  return head;
}

// No cast of a text to integer succeeds but where nothing was found. What fires where the session
// is silent: ENABLE REPLICA and ENABLE ALWAYS. OFFSET 0: else all triggers of the database are
// looked at with every batch, for the planner thinks that thousands of tables are asked for.
constexpr char kMeddling[] = R"(
WITH written AS MATERIALIZED (
  SELECT t.oid, t.name, c.oid IS NOT NULL AS there, c.relkind = 'p' AS partitioned
  FROM ROWS FROM (pg_catalog.unnest($1::oid[]), pg_catalog.unnest($2::text[])) AS t(oid, name)
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.relname = t.name
    AND c.relkind IN ('r', 'p')
    AND c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $3::text)
), parts AS (
  SELECT oid, name FROM written
  UNION ALL
  SELECT p.relid, name FROM written CROSS JOIN LATERAL pg_catalog.pg_partition_tree(oid) AS p
  WHERE partitioned AND p.relid <> oid
)
SELECT coalesce(pg_catalog.string_agg(what, '; '), '0')::integer FROM (
  SELECT name || ' is gone, or another table' AS what FROM written WHERE NOT there
  UNION ALL
  SELECT p.name || ' has a trigger ' || g.tgname
  FROM parts AS p CROSS JOIN LATERAL (
    SELECT g.tgname FROM pg_catalog.pg_trigger AS g
    WHERE g.tgrelid = p.oid AND g.tgenabled = ANY ({}) AND CASE WHEN g.tgisinternal THEN EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS f WHERE f.oid = g.tgconstraint AND f.contype = 'f'
          AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd')))
      ELSE NOT (g.tgname IN ('_lockstep_guard', '_lockstep_fence', '_lockstep_fence_row',
                             '_lockstep_log', '_lockstep_log_truncate')
        AND EXISTS (SELECT FROM pg_catalog.pg_proc AS f WHERE f.oid = g.tgfoid
          AND f.pronamespace = pg_catalog.to_regnamespace('lockstep'))) END
    OFFSET 0) AS g
  UNION ALL
  SELECT w.name || ' has a rule ' || r.rulename
  FROM written AS w JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = w.oid
  WHERE w.there AND r.ev_enabled <> 'D') AS found)";

}  // namespace

std::vector<Relation> find_relations(Connection& connection, const std::string& schema,
                                     const std::vector<std::string>& names) {
  const Result rows = connection.query(
      "SELECT c.relname, c.oid::bigint FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace "
      "AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')",
      {schema});
  std::map<std::string, std::uint32_t, std::less<>> there;
  for (int row = 0; row < rows.rows(); ++row)
    there.emplace(rows.value(row, 0), static_cast<std::uint32_t>(rows.integer(row, 1)));
  std::vector<Relation> relations;
  for (const std::string& name : names) {
    const auto found = there.find(name);
    relations.push_back({found == there.end() ? 0 : found->second, name});
  }
  return relations;
}

std::string meddling_sql(bool silent) {
  return fmt::format(kMeddling,
                     silent ? "ARRAY['R', 'A']::\"char\"[]" : "ARRAY['O', 'A']::\"char\"[]");
}

MeddlingParameters::MeddlingParameters(std::string schema, const std::vector<Relation>& relations)
    : oids_(array_head(kOidType, relations.size())),
      names_(array_head(kTextType, relations.size())),
      schema_(std::move(schema)) {
  for (const auto& [oid, name] : relations) {
    append_number(oids_, sizeof oid);
    append_number(oids_, static_cast<std::int32_t>(oid));
    append_number(names_, static_cast<std::int32_t>(name.size()));
    names_ += name;
  }
}

Error meddled(const Error& cause) {
  return Error(
      {.code = "LS-T255",
       .exit = ExitCode::stopped,
       .what = "somebody's trigger, rule, foreign key or table was in the way of what lockstep "
               "wrote on the target",
       .why = cause.facts().why,
       .data = "safe: nothing of it was kept, rows and position go together; changes wait in the "
               "source",
       .todo = "undo that on the target; lockstep tries again by itself",
       .foreign = cause.foreign(),
       .retry = Retry::same_session});
}

void check_unmeddled(Connection& connection, const std::string& schema,
                     const std::vector<Relation>& relations, bool silent) {
  const MeddlingParameters parameters(schema, relations);
  Pipeline pipeline(connection);
  pipeline.prepare("", meddling_sql(silent));
  pipeline.run("", parameters.views());
  const Pipeline::Outcome outcome = pipeline.finish();
  if (!outcome.error) return;
  if (outcome.error->foreign() == kMeddled) throw meddled(*outcome.error);
  throw Error(*outcome.error);
}

}  // namespace lockstep::postgres
