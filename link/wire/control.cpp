#include "link/wire/control.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "link/wire/json.hpp"
#include "model/row_stream.hpp"

namespace lockstep::wire {

namespace {

constexpr std::size_t kWordBytes = 8;
constexpr std::size_t kEraBytes = std::tuple_size_v<decltype(Era::bytes)>;
static_assert(kPositionBytes == kEraBytes + 2 * kWordBytes);

constexpr std::array kExitCodes{
    ExitCode::done,      ExitCode::bug,         ExitCode::usage,       ExitCode::precondition,
    ExitCode::different, ExitCode::unreachable, ExitCode::timed_out,   ExitCode::stopped,
    ExitCode::busy,      ExitCode::waived,      ExitCode::interrupted, ExitCode::terminated};

constexpr std::array<std::pair<Retry, std::string_view>, 3> kRetries{
    {{Retry::never, "never"},
     {Retry::same_session, "same_session"},
     {Retry::new_session, "new_session"}}};

Position position_member(const JsonReader& from, const char* member) {
  const auto position = parse_position(from.string(member));
  if (!position) throw_unfit(from.body_of(), fmt::format("\"{}\" is not a position", member));
  return *position;
}

TargetIdentity target_member(const JsonReader& from, const char* member) {
  auto identity = parse_target_identity(from.string(member));
  if (!identity) throw_unfit(from.body_of(), fmt::format("\"{}\" is not a target", member));
  return std::move(*identity);
}

void expect_bytes(std::string_view body_of, std::string_view body, std::size_t expected) {
  if (body.size() != expected)
    throw_unfit(body_of, fmt::format("it has {} bytes instead of {}", body.size(), expected));
}

void put_position(std::string& out, const Position& position) {
  for (const std::uint8_t byte : position.era.bytes) put_u8(out, byte);
  put_u64(out, static_cast<std::uint64_t>(position.seq));
  put_u64(out, static_cast<std::uint64_t>(position.identity));
}

Position get_position(const char* bytes) {
  Position position;
  for (std::size_t i = 0; i < kEraBytes; ++i)
    position.era.bytes[i] = static_cast<std::uint8_t>(bytes[i]);
  position.seq = static_cast<std::int64_t>(get_u64(bytes + kEraBytes));
  position.identity = static_cast<std::int64_t>(get_u64(bytes + kEraBytes + kWordBytes));
  return position;
}

// A newer end may know exit codes that this one does not: "stopped" says what it comes to.
ExitCode exit_from(std::int64_t number) {
  for (const ExitCode known : kExitCodes)
    if (static_cast<std::int64_t>(known) == number) return known;
  return ExitCode::stopped;
}

Retry retry_from(std::string_view name) {
  for (const auto& [known, text] : kRetries)
    if (text == name) return known;
  return Retry::never;
}

std::string retry_name(Retry retry) {
  for (const auto& [known, text] : kRetries)
    if (known == retry) return std::string(text);
  broken_promise("every advice has a name", __FILE__, __LINE__);
}

}  // namespace

std::string encode_hello(const Hello& hello) {
  Json json{{"migration", exact_text(hello.migration)}, {"source_id", exact_text(hello.source_id)}};
  if (hello.position) json["position"] = to_string(*hello.position);
  if (hello.target) json["target"] = to_string(*hello.target);
  if (hello.accept_target) json["accept_target"] = "yes";
  if (hello.seen) json["seen"] = to_string(*hello.seen);
  if (hello.becomes_text)
    json["becomes_text"] = {{"table", hello.becomes_text->table},
                            {"column", exact_text(hello.becomes_text->column)},
                            {"type", std::string(to_string(hello.becomes_text->type))}};
  if (hello.intended_target) json["intended_target"] = to_string(*hello.intended_target);
  return dump_json(json);
}

Hello decode_hello(std::string_view body) {
  const Json json = parse_json("hello", body);
  const JsonReader from("hello", json);
  Hello hello{from.exact_text("migration"), from.exact_text("source_id"), std::nullopt, {}};
  if (from.has("position")) hello.position = position_member(from, "position");
  if (from.has("target")) hello.target = target_member(from, "target");
  hello.accept_target = from.has("accept_target");
  if (from.has("seen")) hello.seen = position_member(from, "seen");
  if (from.has("becomes_text")) {
    const JsonReader wish = from.member("becomes_text");
    const auto type = parse_column_type(wish.string("type"));
    if (!type) throw_unfit("hello", "\"becomes_text\" has a type that is not known");
    hello.becomes_text = TextWish{wish.table("table"), wish.exact_text("column"), *type};
  }
  if (from.has("intended_target")) hello.intended_target = target_member(from, "intended_target");
  return hello;
}

std::string encode_welcome(const Welcome& welcome) {
  Json tables = Json::array();
  for (const TablePlan& plan : welcome.tables) tables.push_back(plan_to_json(plan));
  return dump_json({{"source_id", exact_text(welcome.source_id)},
                    {"newest", to_string(welcome.newest)},
                    {"tables", std::move(tables)},
                    {"migration", exact_text(welcome.migration)},
                    {"source", exact_text(welcome.source)},
                    {"first", to_string(welcome.first)},
                    {"split_points", welcome.split_points},
                    {"in_doubt", welcome.in_doubt},
                    {"expected_rows", welcome.expected_rows}});
}

Welcome decode_welcome(std::string_view body) {
  const Json json = parse_json("welcome", body);
  const JsonReader from("welcome", json);
  Welcome welcome;
  welcome.source_id = from.exact_text("source_id");
  welcome.newest = position_member(from, "newest");
  for (const Json& table : from.member("tables").array())
    welcome.tables.push_back(plan_from_json("welcome", table));
  welcome.migration = from.exact_text("migration");
  welcome.source = from.exact_text("source");
  welcome.first = position_member(from, "first");
  for (const Json& table : from.member("split_points").array()) {
    std::vector<std::int64_t>& points = welcome.split_points.emplace_back();
    for (const Json& point : JsonReader("welcome", table).array())
      points.push_back(read_integer("welcome", point));
  }
  welcome.in_doubt = from.has("in_doubt") && from.member("in_doubt").json() == true;
  if (from.has("expected_rows"))
    for (const Json& rows : from.member("expected_rows").array())
      welcome.expected_rows.push_back(read_integer("welcome", rows));
  return welcome;
}

std::string encode_copy(const std::vector<CopyRequest>& requests) {
  Json tables = Json::array();
  for (const CopyRequest& request : requests) {
    Json table{{"table", request.table}};
    if (request.after) table["after"] = key_to_json(*request.after);
    if (request.until) table["until"] = *request.until;
    if (request.table_rows > 0) table["table_rows"] = request.table_rows;
    tables.push_back(std::move(table));
  }
  return dump_json({{"tables", std::move(tables)}});
}

std::vector<CopyRequest> decode_copy(std::string_view body) {
  const Json json = parse_json("copy", body);
  std::vector<CopyRequest> requests;
  for (const Json& table : JsonReader("copy", json).member("tables").array()) {
    const JsonReader from("copy", table);
    CopyRequest& request = requests.emplace_back();
    request.table = from.table("table");
    if (from.has("after")) request.after = key_from_json("copy", from.member("after").json());
    if (from.has("until")) request.until = from.integer("until");
    if (from.has("table_rows")) request.table_rows = from.integer("table_rows");
  }
  return requests;
}

std::string encode_chunk_rows(const ChunkRows& rows) {
  std::string body;
  body.reserve(sizeof rows.part + rows.fragment.size());
  put_u32(body, rows.part);
  body.append(rows.fragment);
  return body;
}

ChunkRows decode_chunk_rows(std::string_view body) {
  if (body.size() < sizeof(std::uint32_t))
    expect_bytes("chunk_rows", body, sizeof(std::uint32_t));  // refuses it
  return {get_u32(body.data()), body.substr(sizeof(std::uint32_t))};
}

std::string encode_chunk_end(const ChunkEnd& end) {
  Json json{
      {"part", end.part}, {"last", key_to_json(end.last)}, {"rows", end.rows}, {"done", end.done}};
  if (end.as_of) json["as_of"] = to_string(*end.as_of);
  return dump_json(json);
}

ChunkEnd decode_chunk_end(std::string_view body) {
  const Json json = parse_json("chunk_end", body);
  const JsonReader from("chunk_end", json);
  ChunkEnd end{from.table("part"), key_from_json("chunk_end", from.member("last").json()),
               from.count("rows"), from.boolean("done")};
  if (from.has("as_of")) end.as_of = position_member(from, "as_of");
  return end;
}

std::string encode_refusal(const ErrorFacts& facts) {
  return dump_json({{"code", facts.code},
                    {"exit", static_cast<int>(facts.exit)},
                    {"what", facts.what},
                    {"why", facts.why},
                    {"data", facts.data},
                    {"todo", facts.todo},
                    {"foreign", facts.foreign},
                    {"retry", retry_name(facts.retry)}});
}

ErrorFacts decode_refusal(std::string_view body) {
  const Json json = parse_json("refusal", body);
  const JsonReader from("refusal", json);
  const auto optional = [&](const char* member) {
    return from.has(member) ? from.string(member) : std::string();
  };
  ErrorFacts facts;
  facts.code = from.string("code");
  facts.exit = exit_from(from.integer("exit"));
  facts.what = from.string("what");
  facts.why = optional("why");
  facts.data = optional("data");
  facts.todo = optional("todo");
  facts.foreign = optional("foreign");
  facts.retry = retry_from(optional("retry"));
  return facts;
}

std::string encode_position(const Position& position) {
  std::string body;
  put_position(body, position);
  return body;
}

Position decode_position(std::string_view body) {
  expect_bytes("position", body, kPositionBytes);
  return get_position(body.data());
}

std::string encode_batch_begin(const BatchBegin& begin) {
  return encode_position(begin.from);
}

BatchBegin decode_batch_begin(std::string_view body) {
  expect_bytes("batch_begin", body, kPositionBytes);
  return {get_position(body.data())};
}

std::string encode_batch_reset(const BatchReset& reset) {
  std::string body;
  put_u32(body, reset.table);
  return body;
}

BatchReset decode_batch_reset(std::string_view body) {
  expect_bytes("batch_reset", body, sizeof(std::uint32_t));
  return {get_u32(body.data())};
}

std::string encode_batch_end(const BatchEnd& end) {
  std::string body;
  put_position(body, end.to);
  put_u64(body, static_cast<std::uint64_t>(end.wall_us));
  put_u64(body, end.entries);
  return body;
}

BatchEnd decode_batch_end(std::string_view body) {
  expect_bytes("batch_end", body, kPositionBytes + 2 * kWordBytes);
  const char* rest = body.data() + kPositionBytes;
  return {get_position(body.data()), static_cast<std::int64_t>(get_u64(rest)),
          get_u64(rest + kWordBytes)};
}

std::string encode_credit(Credit credit) {
  std::string body;
  put_u64(body, credit.bytes);
  put_u64(body, credit.messages);
  return body;
}

Credit decode_credit(std::string_view body) {
  expect_bytes("credit", body, 2 * kWordBytes);
  return {get_u64(body.data()), get_u64(body.data() + kWordBytes)};
}

}  // namespace lockstep::wire
