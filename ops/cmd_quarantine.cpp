#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apply/ledger.hpp"
#include "apply/quarantine.hpp"
#include "capture/install.hpp"
#include "capture/relog.hpp"
#include "link/wire/control.hpp"
#include "ops/commands.hpp"
#include "ops/names.hpp"
#include "ops/printable.hpp"

namespace lockstep::ops {

namespace {

using apply::QuarantinedRow;
using nlohmann::json;

[[noreturn]] void throw_no_migration(const std::string& side) {
  throw Error({.code = "LS-R712",
               .exit = ExitCode::precondition,
               .what = fmt::format("there is no migration of {}", side),
               .why = "neither lockstep's tables nor a ledger were found",
               .data = "nothing was touched",
               .todo = "lockstep run SOURCE TARGET starts one"});
}

// Where the migration is, from either side.
struct Place {
  postgres::Connection target;
  apply::LedgerRow ledger;
  std::string source;  // path, perhaps of another host
};

Place place_from_source(const QuarantineRequest& request) {
  const std::string path = source_path(request.source);
  sqlite::Database database = sqlite::Database::open(path, sqlite::OpenMode::read_only);
  const auto installed = capture::read_installed(database);
  if (!installed) throw_no_migration(path);
  const std::string text = request.target.empty() ? installed->target : request.target;
  if (text.empty())
    throw Error({.code = "LS-C100",
                 .exit = ExitCode::usage,
                 .what = "TARGET is missing",
                 .why = "the source is captured by a process of its own, which knows no target",
                 .data = "nothing was touched",
                 .todo = "give TARGET as well"});
  postgres::Connection target = postgres::Connection::open(postgres::parse_dsn(text), "quarantine");
  auto ledger = apply::read_ledger(target, installed->migration, apply::RowLock::none);
  if (!ledger || ledger->source_id != installed->source_id)
    throw_no_migration(target.dsn().shown());
  return {std::move(target), std::move(*ledger), path};
}

Place place_from_target(const QuarantineRequest& request) {
  postgres::Connection target =
      postgres::Connection::open(postgres::parse_dsn(request.target), "quarantine");
  std::vector<apply::LedgerRow> ledgers = apply::all_ledgers(target);
  if (ledgers.empty()) throw_no_migration(target.dsn().shown());
  if (ledgers.size() > 1)
    throw Error({.code = "LS-R714",
                 .exit = ExitCode::usage,
                 .what = fmt::format("{} is the target of {} migrations", target.dsn().shown(),
                                     ledgers.size()),
                 .why = "one must be named",
                 .data = "nothing was touched",
                 .todo = "give the SOURCE as well"});
  std::string source = ledgers.front().source;
  return {std::move(target), std::move(ledgers.front()), std::move(source)};
}

// Names of key columns, by table.
using KeyNames = std::map<std::uint32_t, std::vector<std::string>>;

std::string key_text(const QuarantinedRow& each, const KeyNames& names) {
  const std::vector<Value> key = wire::decode_key(each.row.key);
  const auto known = names.find(each.row.table);
  std::string text;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const std::string name =
        known != names.end() && i < known->second.size() ? known->second[i] : "?";
    text += fmt::format("{}{}={}", i == 0 ? "" : ", ", printable(name), describe(key[i].view()));
  }
  return text;
}

// Its class stands beside it.
std::string whole_value(const Value& value) {
  if (value.kind == ValueClass::text) return printable(value.bytes);
  if (value.kind != ValueClass::blob) return describe(value.view());
  std::string hex;
  for (const char byte : value.bytes)
    hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

bool chosen(const QuarantineRequest& request, const QuarantinedRow& each, const KeyNames& names) {
  if (!request.rows.empty() &&
      std::find(request.rows.begin(), request.rows.end(), each.number) == request.rows.end())
    return false;
  if (!request.tables.empty() && !matches_any(each.row.table_name, request.tables)) return false;
  return request.key.empty() || request.key == each.row.key || request.key == key_text(each, names);
}

std::string json_text(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

void print_row(const QuarantinedRow& each, const KeyNames& names, bool whole, Screen& screen) {
  const HeldRow& row = each.row;
  const char* state = each.skipped ? "skipped" : "held";
  const Value value = wire::decode_value(row.value);
  const std::string place = fmt::format("{}.{}", printable(row.table_name), printable(row.column));
  if (whole) {
    screen.result(fmt::format("#{}", each.number));
    const auto line = [&](const char* name, const std::string& text) {
      screen.result(fmt::format("  {:<9} {}", name, text));
    };
    line("table", printable(row.table_name));
    line("key", key_text(each, names));
    line("key, exact", row.key);
    line("column", printable(row.column));
    line("value", whole_value(value));
    line("class", fmt::format("{}, {} bytes", to_string(value.kind), row.bytes));
    line("reason", row.code + " " + row.reason);
    line("position", each.position.empty() ? "-" : each.position);
    line("since", each.since);
    line("state", state);
  } else {
    screen.result(fmt::format("  #{:<5} {:<24} {:<20} {:<28} {:<8} {}  {} {}", each.number, place,
                              key_text(each, names), describe(value.view()), state, each.since,
                              row.code, row.reason));
  }
  screen.json(json_text({{"type", "quarantined"},
                         {"number", each.number},
                         {"table", row.table_name},
                         {"key", json::parse(row.key)},
                         {"column", row.column},
                         {"value", json::parse(row.value)},
                         {"bytes", row.bytes},
                         {"code", row.code},
                         {"reason", row.reason},
                         {"position", each.position},
                         {"since", each.since},
                         {"state", state}}));
}

// Per column and code, and of all.
void print_counts(const std::vector<QuarantinedRow>& rows, Screen& screen) {
  std::map<std::string, apply::QuarantineCounts> by_place;
  apply::QuarantineCounts all;
  for (const QuarantinedRow& each : rows)
    for (apply::QuarantineCounts* counts :
         {&all, &by_place[fmt::format("{}.{}  {}", printable(each.row.table_name),
                                      printable(each.row.column), each.row.code)]})
      ++(each.skipped ? counts->skipped : counts->held);
  for (const auto& [place, counts] : by_place)
    screen.result(
        fmt::format("{:<40} {:>8} held {:>8} skipped", place, counts.held, counts.skipped));
  if (rows.empty()) screen.result("nothing is in quarantine");
  screen.json(json_text({{"type", "quarantine"}, {"held", all.held}, {"skipped", all.skipped}}));
}

// The rows' keys are logged at the source, so that the ordinary way reads them again.
void retry(Place& place, const std::vector<QuarantinedRow>& rows,
           const std::vector<std::int64_t>& numbers, Screen& screen) {
  std::optional<capture::Installed> installed;
  if (std::filesystem::exists(place.source)) {
    sqlite::Database reading = sqlite::Database::open(place.source, sqlite::OpenMode::read_only);
    installed = capture::read_installed(reading);
  }
  if (!installed || installed->source_id != place.ledger.source_id)
    throw Error({.code = "LS-R721",
                 .exit = ExitCode::precondition,
                 .what = fmt::format("the source {} cannot be written to from here", place.source),
                 .why = "it is not on this host, or another file is in its place",
                 .data = "nothing was touched",
                 .todo =
                     "run this on the source's host with SOURCE and TARGET; or let the application "
                     "write the rows once more: UPDATE t SET c = c WHERE … is enough"});
  apply::set_skipped(place.target, place.ledger.migration, numbers, false);
  std::vector<capture::KeyToRead> keys;
  for (const QuarantinedRow& each : rows)
    keys.push_back({each.row.table, wire::decode_key(each.row.key)});
  sqlite::Database writing = sqlite::Database::open(place.source, sqlite::OpenMode::read_write);
  capture::log_again(writing, keys, {});
  screen.result(fmt::format(
      "retry     {} row(s) are read again, by the lockstep that runs or by the next one",
      rows.size()));
  screen.json(json_text({{"type", "quarantine_retry"}, {"rows", rows.size()}}));
}

void skip(Place& place, const std::vector<std::int64_t>& numbers, Screen& screen) {
  const std::int64_t rows = apply::set_skipped(place.target, place.ledger.migration, numbers, true);
  screen.result(fmt::format(
      "skipped   {} row(s) stay absent from the target, until a value that fits comes", rows));
  screen.json(json_text({{"type", "quarantine_skip"}, {"rows", rows}}));
}

[[noreturn]] void throw_none_chosen() {
  throw Error({.code = "LS-R722",
               .exit = ExitCode::precondition,
               .what = "no row in quarantine is meant by that",
               .why = "its value may fit by now, or the number is of another one",
               .data = "nothing was touched",
               .todo = "lockstep quarantine list shows what is there"});
}

}  // namespace

ExitCode command_quarantine(const QuarantineRequest& request, Screen& screen) {
  using What = QuarantineRequest::What;
  const bool names_some = !request.rows.empty() || !request.tables.empty() || !request.key.empty();
  if (request.what == What::skip && !names_some && !request.all)
    throw Error({.code = "LS-C100",
                 .exit = ExitCode::usage,
                 .what = "which rows are to be skipped?",
                 .data = "nothing was touched",
                 .todo = "name them with --row, --table or --key, or say --all"});
  Place place = request.source.empty() ? place_from_target(request) : place_from_source(request);
  KeyNames names;
  for (const apply::LedgerTable& table : apply::read_tables(place.target, place.ledger.migration))
    for (const std::size_t key : table.plan.shape.key)
      names[table.plan.id].push_back(table.plan.shape.columns[key].name);
  std::vector<QuarantinedRow> rows;
  std::vector<std::int64_t> numbers;
  for (QuarantinedRow& each : apply::read_quarantine(place.target, place.ledger.migration)) {
    if (!chosen(request, each, names)) continue;
    numbers.push_back(each.number);
    rows.push_back(std::move(each));
  }
  if (rows.empty() && (names_some || request.what == What::show)) throw_none_chosen();
  switch (request.what) {
    case What::list:
    case What::show:
      for (const QuarantinedRow& each : rows)
        print_row(each, names, request.what == What::show, screen);
      if (request.what == What::list) print_counts(rows, screen);
      break;
    case What::retry:
      retry(place, rows, numbers, screen);
      break;
    case What::skip:
      skip(place, numbers, screen);
      break;
  }
  return ExitCode::done;
}

}  // namespace lockstep::ops
