#include "verify/query_record.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace lockstep::verify {

namespace {

using nlohmann::json;
using postgres::Connection;
using postgres::Result;
using State = QueryRequest::State;

constexpr std::array<std::pair<State, std::string_view>, 4> kQueryStates{
    {{State::requested, "requested"},
     {State::running, "running"},
     {State::answered, "answered"},
     {State::failed, "failed"}}};

constexpr char kCreateQueryRecords[] =
    "BEGIN;"
    "CREATE TABLE IF NOT EXISTS lockstep.verify_queries ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " migration text NOT NULL REFERENCES lockstep.ledger ON DELETE CASCADE,"
    " pairs text NOT NULL,"
    // Nobody may say that somebody else asked: only the two columns above can be written.
    " asked_by name NOT NULL DEFAULT current_user,"
    " state text NOT NULL DEFAULT 'requested',"
    " verdicts text NOT NULL DEFAULT '[]',"
    " problem text NOT NULL DEFAULT '',"
    " requested timestamptz NOT NULL DEFAULT now(),"
    " ended timestamptz);"
    // As for lockstep.verify_passes.
    "ALTER TABLE lockstep.verify_queries DROP CONSTRAINT IF EXISTS readers_ask, ADD CONSTRAINT "
    "readers_ask CHECK (has_table_privilege('lockstep.verify_queries', 'SELECT')) NOT VALID;"
    "GRANT INSERT (migration, pairs) ON lockstep.verify_queries TO PUBLIC;"
    "COMMIT";

constexpr char kColumns[] =
    "id, state, pairs, asked_by, verdicts, problem, EXISTS (SELECT FROM pg_roles WHERE rolname = "
    "asked_by AND pg_has_role(oid, current_user, 'MEMBER'))";

// Texts from foreign databases may be no UTF-8; PostgreSQL's text has no NUL, and JSON escapes it.
std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string pairs_text(const std::vector<QueryPair>& pairs) {
  json list = json::array();
  for (const QueryPair& pair : pairs)
    list.push_back({{"kind", std::string(to_string(pair.kind))},
                    {"name", pair.name},
                    {"source", pair.source},
                    {"target", pair.target},
                    {"expect", pair.expect}});
  return dumped(list);
}

std::vector<QueryPair> parse_pairs(std::string_view text) {
  std::vector<QueryPair> pairs;
  for (const json& one : json::parse(text)) {
    QueryPair pair;
    pair.kind = parse_pair_kind(one.at("kind").get<std::string>()).value();
    for (const auto& [name, out] : {std::pair{"name", &pair.name},
                                    {"source", &pair.source},
                                    {"target", &pair.target},
                                    {"expect", &pair.expect}})
      *out = one.at(name).get<std::string>();
    if (pair.kind == QueryPair::Kind::validator)
      static_cast<void>(parse_relation(pair.expect).value());
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::string verdicts_text(const std::vector<Verdict>& verdicts) {
  json list = json::array();
  for (const Verdict& verdict : verdicts)
    list.push_back(
        {{"kind", std::string(to_string(verdict.kind))},
         {"name", verdict.name},
         {"answered", verdict.answered},
         {"holds", verdict.holds},
         {"source", verdict.source},
         {"target", verdict.target},
         {"what", verdict.what},
         {"rows", verdict.rows},
         {"quarantined", verdict.quarantined},
         {"position", verdict.position ? json(to_string(*verdict.position)) : json(nullptr)}});
  return dumped(list);
}

std::vector<Verdict> parse_verdicts(std::string_view text) {
  std::vector<Verdict> verdicts;
  for (const json& one : json::parse(text)) {
    Verdict verdict;
    verdict.kind = parse_pair_kind(one.at("kind").get<std::string>()).value();
    verdict.name = one.at("name").get<std::string>();
    verdict.answered = one.at("answered").get<bool>();
    verdict.holds = one.at("holds").get<bool>();
    verdict.source = one.at("source").get<std::string>();
    verdict.target = one.at("target").get<std::string>();
    verdict.what = one.at("what").get<std::string>();
    verdict.rows = one.at("rows").get<std::uint64_t>();
    verdict.quarantined = one.at("quarantined").get<std::uint64_t>();
    if (one.at("position").is_string())
      verdict.position = parse_position(one.at("position").get<std::string>());
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

// The pairs were written by whoever may ask: nothing is taken for granted.
QueryRequest request_of(const Result& rows) {
  QueryRequest request;
  request.id = rows.integer(0, 0);
  for (const auto& [state, name] : kQueryStates)
    if (name == rows.value(0, 1)) request.state = state;
  request.asked_by = rows.value(0, 3);
  request.problem = rows.value(0, 5);
  request.trusted = rows.boolean(0, 6);
  try {
    request.pairs = parse_pairs(rows.value(0, 2));
    request.verdicts = parse_verdicts(rows.value(0, 4));
  } catch (const std::exception&) {  // of JSON, and of values that are not there
    request.pairs.clear();
    request.state = State::failed;
    request.problem = "the request cannot be read";
  }
  return request;
}

}  // namespace

bool query_records_exist(Connection& connection) {
  return connection
      .exec(
          "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = "
          "to_regclass('lockstep.verify_queries') AND conname = 'readers_ask')")
      .boolean(0, 0);
}

void create_query_records(Connection& connection) {
  if (!query_records_exist(connection)) connection.exec(kCreateQueryRecords);
}

std::int64_t request_queries(Connection& connection, const std::string& migration,
                             const std::vector<QueryPair>& pairs) {
  connection.exec("BEGIN READ WRITE");  // the role's transactions may be read-only by default
  try {
    const std::int64_t id =
        connection
            .query(
                "INSERT INTO lockstep.verify_queries (migration, pairs) VALUES ($1, $2) "
                "RETURNING id",
                {migration, pairs_text(pairs)})
            .integer(0, 0);
    connection.exec("COMMIT");
    return id;
  } catch (...) {
    connection.abort();
    throw;
  }
}

bool queries_wait(Connection& connection, const std::string& migration) {
  return connection
      .query(
          "SELECT EXISTS (SELECT FROM lockstep.verify_queries WHERE migration = $1 AND state IN "
          "('requested', 'running'))",
          {migration})
      .boolean(0, 0);
}

std::optional<QueryRequest> next_queries(Connection& connection, const std::string& migration) {
  while (true) {
    const Result rows = connection.query(
        fmt::format("SELECT {} FROM lockstep.verify_queries WHERE migration = $1 AND state IN "
                    "('requested', 'running') ORDER BY id LIMIT 1",
                    kColumns),
        {migration});
    if (rows.rows() == 0) return std::nullopt;
    QueryRequest request = request_of(rows);
    if (request.state != State::failed) return request;
    move_queries(connection, request);
  }
}

std::optional<QueryRequest> read_queries(Connection& connection, std::int64_t id) {
  const Result rows = connection.query(
      fmt::format("SELECT {} FROM lockstep.verify_queries WHERE id = $1::bigint", kColumns),
      {std::to_string(id)});
  if (rows.rows() == 0) return std::nullopt;
  return request_of(rows);
}

void move_queries(Connection& connection, const QueryRequest& request) {
  std::string state;
  for (const auto& [known, name] : kQueryStates)
    if (known == request.state) state = name;
  connection.query(
      "UPDATE lockstep.verify_queries SET state = $2, verdicts = $3, problem = $4, ended = CASE "
      "WHEN $2 IN ('answered', 'failed') THEN now() END WHERE id = $1::bigint",
      {std::to_string(request.id), state, verdicts_text(request.verdicts), request.problem});
}

void forget_old_queries(Connection& connection, const std::string& migration) {
  connection.query(
      "DELETE FROM lockstep.verify_queries WHERE migration = $1 AND id <= (SELECT max(id) - 20 "
      "FROM lockstep.verify_queries WHERE migration = $1) AND state IN ('answered', 'failed')",
      {migration});
}

}  // namespace lockstep::verify
