#include "snapshot/partners.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "link/sqlite/sql_text.hpp"
#include "model/promise.hpp"
#include "snapshot/distinction.hpp"

namespace lockstep::snapshot {

namespace {

struct Place {
  std::size_t plan = 0, column = 0;
};

bool is_text_in_sqlite(ColumnType type) {
  switch (type) {
    case ColumnType::text:
    case ColumnType::date:
    case ColumnType::timestamp:
    case ColumnType::timestamptz:
    case ColumnType::uuid:
    case ColumnType::json:
      return true;
    case ColumnType::bigint:
    case ColumnType::double_precision:
    case ColumnType::bytea:
    case ColumnType::numeric:
    case ColumnType::boolean:
    case ColumnType::timestamp_ms:
      break;
  }
  return false;
}

bool is_integer_in_sqlite(ColumnType type) {
  return type == ColumnType::bigint || type == ColumnType::boolean ||
         type == ColumnType::timestamp_ms;
}

// The type of the storage class that both have.
std::optional<ColumnType> wider(ColumnType one, ColumnType other) {
  if (is_text_in_sqlite(one) && is_text_in_sqlite(other)) return ColumnType::text;
  if (is_integer_in_sqlite(one) && is_integer_in_sqlite(other)) return ColumnType::bigint;
  return std::nullopt;
}

std::optional<std::size_t> named(const TableShape& shape, const std::string& name) {
  for (std::size_t i = 0; i < shape.columns.size(); ++i)
    if (sqlite::same_name(shape.columns[i].name, name)) return i;
  return std::nullopt;
}

class Joining {
 public:
  Joining(std::vector<TablePlan>& plans, Valueless valueless, std::size_t first)
      : plans_(plans), valueless_(std::move(valueless)), first_(first) {
    for (std::size_t i = 0; i < plans_.size(); ++i)
      for (const ForeignKey& key : plans_[i].shape.references) add(i, key);
  }

  // A type only ever becomes one of its class, and a column takes its partner's once.
  std::vector<Joined> join() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (const auto& [child, parent] : pairs_) changed = meet(child, parent) || changed;
    }
    return std::move(joined_);
  }

 private:
  void add(std::size_t child, const ForeignKey& key) {
    const auto parent = std::find_if(plans_.begin(), plans_.end(), [&](const TablePlan& each) {
      return sqlite::same_name(each.name(), key.parent);
    });
    if (parent == plans_.end()) return;
    const auto at = static_cast<std::size_t>(parent - plans_.begin());
    const std::size_t count = key.columns.size();
    if (key.parent_columns.empty() ? parent->shape.key.size() != count
                                   : key.parent_columns.size() != count)
      return;
    for (std::size_t i = 0; i < count; ++i) {
      const auto from = named(plans_[child].shape, key.columns[i]);
      const auto to = key.parent_columns.empty() ? std::optional(parent->shape.key[i])
                                                 : named(parent->shape, key.parent_columns[i]);
      if (from && to) pairs_.push_back({{child, *from}, {at, *to}});
    }
  }

  [[nodiscard]] TablePlan& plan(const Place& place) { return plans_[place.plan]; }
  [[nodiscard]] ColumnType type(const Place& place) { return plan(place).types[place.column]; }
  [[nodiscard]] bool is_free(const Place& place) {
    return place.plan >= first_ && !plan(place).existing && !plan(place).is_converted(place.column);
  }
  [[nodiscard]] bool is_valueless(const Place& place) const {
    return valueless_.contains({place.plan, place.column});
  }

  bool meet(const Place& child, const Place& parent) {
    if (plan(child).existing || plan(parent).existing) return false;
    if (plan(child).is_converted(child.column) || plan(parent).is_converted(parent.column))
      return false;
    if (type(child) == type(parent)) return false;
    if (is_valueless(child) && !is_valueless(parent) && take(child, parent)) return true;
    if (is_valueless(parent) && !is_valueless(child) && take(parent, child)) return true;
    const auto both = wider(type(child), type(parent));
    if (!both) return false;
    if ((type(child) != *both && !is_free(child)) || (type(parent) != *both && !is_free(parent)))
      return false;
    become(child, *both, parent);
    become(parent, *both, child);
    return true;
  }

  void become(const Place& place, ColumnType wanted, const Place& partner) {
    if (type(place) == wanted) return;
    plan(place).types[place.column] = wanted;
    plan(place).spellings.resize(plan(place).types.size());
    plan(place).spellings[place.column] = {};
    say(place, wanted, partner);
  }

  // What its values will be like is what the partner's are like.
  bool take(const Place& place, const Place& partner) {
    if (!is_free(place)) return false;
    const ColumnType wanted = type(partner);
    if (!is_text_in_sqlite(wanted) && !is_integer_in_sqlite(wanted)) return false;
    ColumnSpelling spelling = plan(partner).spelling(partner.column);
    spelling.bound = wanted != ColumnType::text &&
                     distinction_of(plan(place).shape, place.column) >= Distinction::unique;
    // There two spellings of one value would meet.
    if (spelling.bound && std::popcount(spelling.found) > 1) return false;
    plan(place).types[place.column] = wanted;
    plan(place).spellings.resize(plan(place).types.size());
    plan(place).spellings[place.column] = wanted == ColumnType::text ? ColumnSpelling{} : spelling;
    valueless_.erase({place.plan, place.column});
    say(place, wanted, partner);
    return true;
  }

  void say(const Place& place, ColumnType wanted, const Place& partner) {
    joined_.push_back(
        {place.plan, place.column,
         fmt::format("{}, as {}.{}: a foreign key joins them", to_string(wanted),
                     plan(partner).name(), plan(partner).shape.columns[partner.column].name)});
  }

  std::vector<TablePlan>& plans_;
  Valueless valueless_;
  std::size_t first_;
  std::vector<std::pair<Place, Place>> pairs_;
  std::vector<Joined> joined_;
};

}  // namespace

std::vector<Joined> join_partners(std::vector<TablePlan>& plans, Valueless valueless,
                                  std::size_t first) {
  return Joining(plans, std::move(valueless), first).join();
}

}  // namespace lockstep::snapshot
