#include "capture/schema_record.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "capture/triggers.hpp"
#include "link/sqlite/statement.hpp"

namespace lockstep::capture {

namespace {

using sqlite::Database;
using sqlite::Statement;

constexpr std::string_view kFirstLine = "1 ";  // of this format
constexpr char kLook[] = "schema_look";

// Names may have any character but NUL: their length goes before them.
std::string with_length(std::string_view text) {
  return fmt::format("{}:{}", text.size(), text);
}

// Takes what it returns off the front; anything unexpected ends it.
class LookReader {
 public:
  explicit LookReader(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool fine() const { return fine_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  void expect(std::string_view text) {
    if (!rest_.starts_with(text)) return fail();
    rest_.remove_prefix(text.size());
  }
  template <typename Number>
  Number number(char behind, int base = 10) {
    Number found{};
    const char* const end = rest_.data() + rest_.size();
    const auto [at, error] = std::from_chars(rest_.data(), end, found, base);
    if (error != std::errc() || at == end || *at != behind) {
      fail();
      return {};
    }
    rest_.remove_prefix(static_cast<std::size_t>(at - rest_.data()) + 1);
    return found;
  }
  /// Up to the next blank.
  std::string word() {
    const std::size_t blank = rest_.find(' ');
    if (blank == std::string_view::npos) {
      fail();
      return {};
    }
    std::string found(rest_.substr(0, blank));
    rest_.remove_prefix(blank + 1);
    return found;
  }
  std::string text(char behind) {
    const auto size = number<std::size_t>(':');
    if (rest_.size() <= size || rest_[size] != behind) {
      fail();
      return {};
    }
    std::string found(rest_.substr(0, size));
    rest_.remove_prefix(size + 1);
    return found;
  }

 private:
  void fail() {
    fine_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool fine_ = true;
};

bool is_one_followed(Database& database, const std::set<std::string>& names) {
  if (names.empty()) return false;
  Statement followed(database,
                     fmt::format("SELECT name FROM {} WHERE plan IS NOT NULL", kTablesTable));
  while (followed.step())
    if (names.contains(followed.text(0))) return true;
  return false;
}

}  // namespace

std::string encode_look(const SchemaLook& look) {
  std::string text = fmt::format("{}{}\n", kFirstLine, look.version);
  for (const auto& [key, object] : look.objects)
    text += fmt::format("{} {} {} {} {:x} {} {}\n", key.first, object.rowid, object.rootpage,
                        object.columns, object.text, with_length(key.second),
                        with_length(object.table));
  return text;
}

SchemaLook decode_look(std::string_view text) {
  LookReader reader(text);
  reader.expect(kFirstLine);
  SchemaLook look{.version = reader.number<std::int64_t>('\n')};
  while (reader.fine() && !reader.at_end()) {
    SchemaLook::Object object;
    std::string type = reader.word();
    object.rowid = reader.number<std::int64_t>(' ');
    object.rootpage = reader.number<std::int64_t>(' ');
    object.columns = reader.number<std::int64_t>(' ');
    object.text = reader.number<std::uint64_t>(' ', 16);
    std::string name = reader.text(' ');
    object.table = reader.text('\n');
    look.objects.emplace(std::pair(std::move(type), std::move(name)), std::move(object));
  }
  return reader.fine() ? look : SchemaLook();
}

SchemaLook recorded_look(Database& database) {
  Statement value(database, fmt::format("SELECT value FROM {} WHERE name = ?", kMetaTable));
  value.bind(1, std::string_view(kLook));
  return value.step() ? decode_look(value.text(0)) : SchemaLook();
}

bool keep_look(Database& database, const SchemaWatch& watch) {
  if (recorded_look(database).version == watch.last().version) return true;
  database.exec("PRAGMA synchronous=NORMAL");
  sqlite::Transaction transaction(database, sqlite::Transaction::Mode::immediate);
  if (!record_look(database, watch)) return false;
  transaction.commit();
  return true;
}

bool record_look(Database& database, const SchemaWatch& watch) {
  if (!watch.sees_clearly() || is_one_followed(database, watch.in_question())) return false;
  Statement insert(database,
                   fmt::format("INSERT OR REPLACE INTO {}(name, value) VALUES (?, ?)", kMetaTable));
  insert.bind(1, std::string_view(kLook))
      .bind(2, std::string_view(encode_look(watch.last())))
      .run();
  return true;
}

}  // namespace lockstep::capture
