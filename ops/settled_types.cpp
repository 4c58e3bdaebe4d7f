#include "ops/settled_types.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>

#include "link/postgres/encode.hpp"
#include "link/sqlite/default_value.hpp"
#include "ops/column_formats.hpp"
#include "snapshot/partners.hpp"

namespace lockstep::ops {

namespace {

TableFacts* facts_of(Assessment& assessment, const TablePlan& plan) {
  const auto found =
      std::find_if(assessment.tables.begin(), assessment.tables.end(),
                   [&](const TableFacts& facts) { return facts.shape.name == plan.name(); });
  return found == assessment.tables.end() ? nullptr : &*found;
}

// One sentence for a column whose next INSERT may stop the stream; empty: none.
std::string unfit_default(const TableFacts& facts, const TablePlan& plan, std::size_t column) {
  const Column& of = plan.shape.columns[column];
  if (of.default_sql.empty() || of.generated != Generated::no || plan.is_converted(column))
    return {};
  const auto given = sqlite::value_on_insert(of);
  if (!given || postgres::misfit_of_carried(plan, column, given->view()) == postgres::Misfit::none)
    return {};
  std::string sentence =
      fmt::format("{} becomes {}, and its DEFAULT {} gives {}", of.name,
                  to_string(plan.types[column]), of.default_sql, to_string(given->view().kind));
  const bool both = promise_of(of) == Promise::instant && given->view().kind == ValueClass::text &&
                    plan.types[column] == ColumnType::timestamp_ms;
  if (both && may_be_converted(plan.shape, column))
    sentence += fmt::format(" (which {} carries, too)", type_line(facts.shape, column, "epoch-ms"));
  return sentence;
}

void warn_of_defaults(Assessment& assessment, const TableFacts& facts, const TablePlan& plan) {
  if (plan.existing) return;
  std::vector<std::string> sentences;
  for (std::size_t i = 0; i < plan.types.size(); ++i)
    if (std::string sentence = unfit_default(facts, plan, i); !sentence.empty())
      sentences.push_back(std::move(sentence));
  if (!sentences.empty())
    assessment.warnings.push_back(
        {plan.name(), "LS-A118",
         fmt::format("a row that is inserted without them would stop lockstep (LS-D401): {}",
                     fmt::join(sentences, "; "))});
}

// Its adapter for PostgreSQL reads a timestamptz as if the session's zone were UTC, and writes one
// so.
void warn_of_zones(Assessment& assessment) {
  for (const TablePlan& plan : assessment.plans) {
    std::vector<std::string> columns;
    for (std::size_t i = 0; i < plan.types.size() && !plan.existing; ++i)
      if (plan.types[i] == ColumnType::timestamptz &&
          promise_of(plan.shape.columns[i]) == Promise::instant)
        columns.push_back(plan.shape.columns[i].name);
    if (!columns.empty())
      assessment.warnings.push_back(
          {plan.name(), "LS-T265",
           fmt::format("{} become(s) timestamptz, which Prisma reads and writes as if every "
                       "session were in UTC: ALTER DATABASE .. SET timezone = 'UTC' on the target, "
                       "or let Prisma Migrate make the tables there first",
                       fmt::join(columns, ", "))});
  }
}

}  // namespace

void settle_types(Assessment& assessment, const std::vector<std::vector<std::size_t>>& undecided,
                  snapshot::Customs customs) {
  std::vector<TablePlan>& plans = assessment.plans;
  snapshot::Elsewhere elsewhere(customs);
  snapshot::Valueless valueless;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    elsewhere.add(plans[i], undecided[i]);
    for (const std::size_t column : undecided[i]) valueless.emplace(i, column);
  }
  const auto tell = [&](std::size_t plan, std::size_t column, const std::string& reason) {
    if (TableFacts* facts = facts_of(assessment, plans[plan])) facts->reasons[column] = reason;
  };
  for (std::size_t i = 0; i < plans.size(); ++i)
    for (const snapshot::Settled& each : elsewhere.settle(plans[i], undecided[i]))
      tell(i, each.column, each.reason);
  for (const snapshot::Joined& each : snapshot::join_partners(plans, std::move(valueless)))
    tell(each.plan, each.column, each.reason);
  for (const TablePlan& plan : plans)
    if (TableFacts* facts = facts_of(assessment, plan)) {
      facts->types = plan.types;
      warn_of_defaults(assessment, *facts, plan);
    }
  if (customs.milliseconds) warn_of_zones(assessment);
}

}  // namespace lockstep::ops
