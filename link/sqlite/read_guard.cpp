#include "link/sqlite/read_guard.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "link/sqlite/statement.hpp"

namespace lockstep::sqlite {

namespace {

constexpr int kLengthMax = 16 << 20;
constexpr int kStepsPerLook = 1'000;

// What SQLite brings along that reaches outside of the database.
constexpr std::array<std::string_view, 2> kFunctionsDenied{"load_extension", "fts3_tokenizer"};

std::string lower(std::string_view name) {  // as SQLite compares names
  std::string out(name);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view name_of(int action) {
  switch (action) {
    case SQLITE_ATTACH:
      return "ATTACH";
    case SQLITE_DETACH:
      return "DETACH";
    case SQLITE_PRAGMA:
      return "PRAGMA";
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
      return "BEGIN, COMMIT, ROLLBACK or SAVEPOINT";
    case SQLITE_INSERT:
      return "INSERT";
    case SQLITE_UPDATE:
      return "UPDATE";
    case SQLITE_DELETE:
      return "DELETE";
    default:
      return "a change";
  }
}

}  // namespace

struct ReadGuard::State {
  std::map<std::string, std::set<std::string>, std::less<>> tables;
  std::set<std::string> readable{}, others{};  // in lower case
  Deadline deadline;
  std::string denied{};
  bool timed_out = false;
  bool personal = false;

  explicit State(Milliseconds patience) : deadline(patience) {}

  int deny(std::string why) {
    if (denied.empty()) denied = std::move(why);
    return SQLITE_DENY;
  }

  // Where no column is named (count(*)) SQLite says the name as it was typed, and says it of what
  // WITH defines, too.
  int read_no_column(std::string_view table) {
    const std::string name = lower(table);
    if (readable.contains(name)) return SQLITE_OK;
    if (!others.contains(name) && !name.starts_with("sqlite_") && !name.starts_with("pragma_"))
      return SQLITE_OK;
    return deny(fmt::format("it reads {}, which is no table that is followed", table));
  }

  int read(std::string_view table, std::string_view column) {
    if (column.empty()) return read_no_column(table);
    const auto known = tables.find(table);
    if (known == tables.end())
      return deny(fmt::format("it reads {}, which is no table that is followed", table));
    personal = personal || known->second.contains(std::string(column));
    return SQLITE_OK;
  }

  static int authorize(void* state, int action, const char* first, const char* second, const char*,
                       const char*) noexcept {
    auto& self = *static_cast<State*>(state);
    const auto text = [](const char* given) { return std::string_view(given ? given : ""); };
    try {
      switch (action) {
        case SQLITE_SELECT:
        case SQLITE_RECURSIVE:
          return SQLITE_OK;
        case SQLITE_READ:
          return self.read(text(first), text(second));
        case SQLITE_FUNCTION:
          for (const std::string_view name : kFunctionsDenied)
            if (text(second) == name) return self.deny(fmt::format("it calls {}()", name));
          return SQLITE_OK;
        default:
          return self.deny(fmt::format("it is no SELECT: {}", name_of(action)));
      }
    } catch (...) {  // out of memory; nothing may leave a callback of C
      return SQLITE_DENY;
    }
  }

  static int look_at_clock(void* state) noexcept {
    auto& self = *static_cast<State*>(state);
    self.timed_out = self.timed_out || self.deadline.passed();
    return self.timed_out ? 1 : 0;
  }
};

ReadGuard::ReadGuard(Database& database, const std::vector<ReadableTable>& tables,
                     Milliseconds patience)
    : database_(database), state_(std::make_unique<State>(patience)) {
  for (const ReadableTable& table : tables) state_->tables[table.name] = table.personal;
  // What stands behind a view is looked at by itself.
  Statement names(database,
                  "SELECT name, type = 'view' FROM sqlite_schema WHERE type IN ('table', 'view')");
  while (names.step()) {
    if (names.integer(1) == 1) state_->tables.try_emplace(names.text(0));
    state_->others.insert(lower(names.text(0)));
  }
  for (const auto& [name, personal] : state_->tables) state_->readable.insert(lower(name));
  length_before_ = sqlite3_limit(database.handle(), SQLITE_LIMIT_LENGTH, kLengthMax);
  sqlite3_progress_handler(database.handle(), kStepsPerLook, State::look_at_clock, state_.get());
  sqlite3_set_authorizer(database.handle(), State::authorize, state_.get());
}

ReadGuard::~ReadGuard() {
  sqlite3_set_authorizer(database_.handle(), nullptr, nullptr);
  sqlite3_progress_handler(database_.handle(), 0, nullptr, nullptr);
  sqlite3_limit(database_.handle(), SQLITE_LIMIT_LENGTH, length_before_);
}

const std::string& ReadGuard::denied() const {
  return state_->denied;
}

bool ReadGuard::timed_out() const {
  return state_->timed_out;
}

bool ReadGuard::is_one_statement(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v2(database_.handle(), sql.data(), static_cast<int>(sql.size()), &raw, &tail);
  sqlite3_finalize(raw);
  if (code != SQLITE_OK) return true;  // what it is, whoever runs it is told
  return std::string_view(tail, sql.size() - static_cast<std::size_t>(tail - sql.data()))
             .find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool ReadGuard::take_personal() {
  return std::exchange(state_->personal, false);
}

}  // namespace lockstep::sqlite
