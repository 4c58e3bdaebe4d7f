#include "snapshot/undecided.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <optional>

#include "link/sqlite/default_value.hpp"
#include "model/spelling.hpp"
#include "snapshot/distinction.hpp"

namespace lockstep::snapshot {

namespace {

// Prisma Migrate writes its own table in its own way: as a program in milliseconds, whatever the
// application's Prisma Client does.
bool counts_by_itself(const TablePlan& plan) {
  return plan.name() == "_prisma_migrations";
}

// In capitals, without blanks.
std::string spoken(const Column& column) {
  std::string name;
  for (const char c : column.declared_type)
    if (c != ' ') name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

// As declared, and without the digits of DATETIME(6): those of CHAR(32) matter. Whether a TEXT
// promises JSON depends on its CHECK.
std::vector<std::string> declarations(const Column& column) {
  const Promise promise = promise_of(column);
  const std::string name = spoken(column);
  std::vector<std::string> both{fmt::format("{} {}", static_cast<int>(promise), name)};
  if (promise != Promise::uuid_text)
    both.push_back(
        fmt::format("{} {}(", static_cast<int>(promise), name.substr(0, name.find('('))));
  return both;
}

std::uint64_t spelling_bit(std::string_view instant) {
  return std::uint64_t{1} << parse_instant(instant).value().spelling;
}

std::uint64_t uuid_bit(std::string_view uuid) {
  return std::uint64_t{1} << parse_uuid(uuid).value().spelling;
}

// As Python spells instants, which leaves out an empty fraction, or in one way only.
std::uint64_t usual_instants(bool six_digits) {
  const std::uint64_t six = spelling_bit("2000-01-01 00:00:00.123456");
  return six_digits ? six : six | spelling_bit("2000-01-01 00:00:00");
}

bool takes_zone(const Column& column) {
  const std::string name = spoken(column);
  return name.find("TIMESTAMPTZ") != std::string::npos ||
         name.find("WITHTIMEZONE") != std::string::npos;
}

bool is_of_a_class(ColumnType type) {
  return type == ColumnType::bigint || type == ColumnType::double_precision ||
         type == ColumnType::text || type == ColumnType::bytea || type == ColumnType::numeric;
}

bool is_number(ColumnType type) {
  return type == ColumnType::bigint || type == ColumnType::double_precision ||
         type == ColumnType::numeric;
}

bool is_cast(const TablePlan& plan, std::size_t column) {
  return column < plan.rules.columns.size() && plan.rules.columns[column].cast != Cast::none;
}

// The value that the application's next INSERT gets if it does not name the column; nothing also
// for NULL.
std::optional<Value> given_by_default(const Column& column) {
  if (column.default_sql.empty()) return std::nullopt;
  auto value = sqlite::value_on_insert(column);
  if (value && value->view().kind == ValueClass::null) return std::nullopt;
  return value;
}

ColumnType class_type(const Value& value) {
  switch (value.view().kind) {
    case ValueClass::integer:
      return ColumnType::bigint;
    case ValueClass::real:
      return ColumnType::double_precision;
    case ValueClass::blob:
      return ColumnType::bytea;
    case ValueClass::text:
    case ValueClass::null:
      break;
  }
  return ColumnType::text;
}

bool settle_by_default(TablePlan& plan, std::size_t column) {
  const Column& declared = plan.shape.columns[column];
  const auto given = given_by_default(declared);
  PromiseCensus found;
  if (!given) return false;
  const bool text = given->view().kind == ValueClass::text;
  const bool kept = keeps(promise_of(declared), given->view(), found);
  if (kept && (text || promise_of(declared) != Promise::json)) return false;
  plan.types[column] = class_type(*given);
  return true;
}

}  // namespace

void Elsewhere::add(const TablePlan& plan, const std::vector<std::size_t>& undecided) {
  if (!counts_by_itself(plan)) show(plan, undecided);
}

void Elsewhere::show(const TablePlan& plan, const std::vector<std::size_t>& undecided) {
  for (std::size_t column = 0; column < plan.types.size(); ++column) {
    const Column& of = plan.shape.columns[column];
    const Promise promise = promise_of(of);
    if (promise == Promise::none || is_cast(plan, column) ||
        std::count(undecided.begin(), undecided.end(), column) > 0)
      continue;
    // A setting that happens to be a number: the next JSON column holds objects.
    if (promise == Promise::json && is_number(plan.types[column])) continue;
    const auto enter = [&](Seen& seen) {
      seen.types.insert(plan.types[column]);
      seen.spellings |= plan.spelling(column).found;
    };
    for (const std::string& name : declarations(of)) enter(declared_[name]);
    enter(promised_[promise]);
  }
}

const Elsewhere::Seen* Elsewhere::seen_of(const Column& column) const {
  for (const std::string& name : declarations(column))
    if (const auto found = declared_.find(name); found != declared_.end()) return &found->second;
  return nullptr;
}

bool Elsewhere::settle_as_seen(TablePlan& plan, std::size_t column, const Seen& seen) const {
  if (seen.types.size() != 1) return false;
  const ColumnType type = *seen.types.begin();
  const Column& declared = plan.shape.columns[column];
  if (is_of_a_class(type)) {
    if (type == ColumnType::numeric && plan.is_key(column)) return false;
    plan.types[column] = type;
    return true;
  }
  // Elsewhere an empty fraction may be written: here nobody looked for one.
  const PromiseCensus borrowed{.kept = 1,
                               .spellings = seen.spellings,
                               .milliseconds = type == ColumnType::timestamp_ms ? 1U : 0U,
                               .empty_fractions = 1};
  const Usable usable = usable_type(declared, borrowed, distinction_of(plan.shape, column));
  if (usable.type != type) return false;
  plan.types[column] = type;
  plan.spellings[column] = usable.spelling;
  return true;
}

// What is there decides all but how the application counts, and whether it writes zones.
void Elsewhere::settle_there(TablePlan& plan, std::size_t column) const {
  const Column& of = plan.shape.columns[column];
  if (promise_of(of) != Promise::instant) return;
  const Seen* const seen = seen_of(of);
  if (seen == nullptr ? !customs_.milliseconds : seen->types.size() != 1) return;
  const ColumnType type = seen == nullptr ? ColumnType::timestamp_ms : *seen->types.begin();
  if (type == ColumnType::timestamp_ms) {
    plan.types[column] = type;
    plan.spellings[column] = {};
    return;
  }
  if (type != ColumnType::timestamp && type != ColumnType::timestamptz) return;
  const bool bound = plan.spelling(column).bound;
  if (bound && std::popcount(seen->spellings) != 1) return;
  plan.types[column] = type;
  plan.spellings[column] = {seen->spellings, bound};
}

Elsewhere::Guess Elsewhere::guess(const Column& column) const {
  Guess guess{{.kept = 1}, "no value yet: by its declaration"};
  switch (promise_of(column)) {
    case Promise::instant:
      if (customs_.milliseconds) {
        guess.found.milliseconds = 1;
        guess.reason = "no value yet: as Prisma stores it, in milliseconds";
      } else {
        guess.found.spellings = takes_zone(column) ? spelling_bit("2000-01-01 00:00:00+00:00")
                                                   : usual_instants(customs_.six_digits);
      }
      break;
    case Promise::date:
      guess.found.spellings = 1;
      break;
    case Promise::uuid:
      guess.found.spellings = uuid_bit("6ba7b810-9dad-41d1-80b4-00c04fd430c8");
      break;
    case Promise::uuid_text:
      if (!customs_.plain_uuids || spoken(column) != "CHAR(32)") return {};
      guess.found.spellings = uuid_bit("6ba7b8109dad41d180b400c04fd430c8");
      guess.reason = "no value yet: a UUID as Django stores it";
      break;
    case Promise::boolean:
    case Promise::json:
    case Promise::none:
      break;
  }
  return guess;
}

std::vector<Settled> Elsewhere::settle(TablePlan& plan,
                                       const std::vector<std::size_t>& undecided) const {
  if (!counts_by_itself(plan)) return settle_all(plan, undecided);
  Elsewhere beside(customs_);
  beside.show(plan, undecided);
  return beside.settle_all(plan, undecided);
}

std::vector<Settled> Elsewhere::settle_all(TablePlan& plan,
                                           const std::vector<std::size_t>& undecided) const {
  std::vector<Settled> settled;
  for (const std::size_t column : undecided) {
    const Column& of = plan.shape.columns[column];
    const auto say = [&](std::string reason) { settled.push_back({column, std::move(reason)}); };
    if (plan.existing) {
      settle_there(plan, column);
      continue;
    }
    // Whatever is in other JSON columns: what it gives comes with the next row.
    if (promise_of(of) == Promise::json && of.generated == Generated::no &&
        settle_by_default(plan, column)) {
      say("no value yet: by its DEFAULT");
      continue;
    }
    if (const Seen* same = seen_of(of)) {
      if (settle_as_seen(plan, column, *same))
        say(fmt::format("no value yet: as all {} columns with values", of.declared_type));
      continue;
    }
    const auto alike = promised_.find(promise_of(of));
    if (alike != promised_.end() && settle_as_seen(plan, column, alike->second)) {
      say("no value yet: as all columns that are declared alike");
      continue;
    }
    if (of.generated != Generated::no) continue;
    if (!customs_.milliseconds && settle_by_default(plan, column)) {
      say("no value yet: by its DEFAULT");
      continue;
    }
    const Guess guessed = guess(of);
    const Usable usable = usable_type(of, guessed.found, distinction_of(plan.shape, column));
    if (!usable.type) continue;
    plan.types[column] = *usable.type;
    plan.spellings[column] = usable.spelling;
    say(guessed.reason);
  }
  return settled;
}

}  // namespace lockstep::snapshot
