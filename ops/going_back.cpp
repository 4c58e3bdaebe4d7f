#include "ops/going_back.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep::ops {

namespace {

using nlohmann::json;
using switchover::CannotGoBack;

std::vector<CannotGoBack> those(const std::vector<CannotGoBack>& all, bool blocks) {
  std::vector<CannotGoBack> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const CannotGoBack& one) { return one.blocks == blocks; });
  return some;
}

std::string one_way_text(const std::vector<CannotGoBack>& columns) {
  return fmt::format("{} column(s) go one way only: {}", columns.size(),
                     fmt::join(switchover::sentences(columns), "; "));
}

}  // namespace

json going_back_json(const std::vector<CannotGoBack>& all) {
  json list = json::array();
  for (const CannotGoBack& one : all)
    list.push_back({{"table", one.table},
                    {"column", one.column.empty() ? json() : json(one.column)},
                    {"rows", one.rows ? json(*one.rows) : json()},
                    {"keys", one.keys},
                    {"why", one.why},
                    {"blocks", one.blocks}});
  return list;
}

std::vector<CannotGoBack> going_back_of(const json& status) {
  std::vector<CannotGoBack> all;
  if (!status.is_object()) return all;
  for (const json& each : status.value("cannot_go_back", json::array())) {
    CannotGoBack one{each.value("table", std::string()),
                     {},
                     each.value("why", std::string()),
                     each.value("blocks", true)};
    if (const json column = each.value("column", json()); column.is_string()) one.column = column;
    if (const json rows = each.value("rows", json()); rows.is_number_integer())
      one.rows = rows.get<std::int64_t>();
    for (const json& key : each.value("keys", json::array()))
      if (key.is_string()) one.keys.push_back(key);
    all.push_back(std::move(one));
  }
  return all;
}

Gate rows_gate(const std::vector<CannotGoBack>& published) {
  std::vector<std::string> found;
  for (const CannotGoBack& one : published)
    if (one.blocks && one.rows) found.push_back(switchover::counted(one));
  return {"rows", found.empty(),
          found.empty() ? "all go back" : fmt::format("{}", fmt::join(found, "; ")),
          "each row can go back into SQLite",
          "change these rows on PostgreSQL; lockstep run then goes on by itself"};
}

Gate columns_gate(const std::vector<CannotGoBack>& seen) {
  const std::vector<CannotGoBack> changed = those(seen, true), one_way = those(seen, false);
  std::string found = changed.empty()
                          ? std::string("those of the cutover")
                          : fmt::format("{} cannot go back: {}", changed.size(),
                                        fmt::join(switchover::sentences(changed), "; "));
  if (!one_way.empty()) found += "; " + one_way_text(one_way);
  return {
      "columns", changed.empty(), std::move(found), "the same on both sides",
      "undo the change of the schema where it was made (a column that SQLite lost: ALTER TABLE .. "
      "ADD COLUMN, then lockstep verify --repair), or lockstep complete SOURCE"};
}

std::vector<Gate> one_way_gate(const std::vector<CannotGoBack>& seen) {
  const std::vector<CannotGoBack> columns = those(seen, false);
  if (columns.empty()) return {};
  return {{"one way", true, one_way_text(columns), "", ""}};
}

}  // namespace lockstep::ops
