#include "verify/json_meaning.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>
#include <vector>

namespace lockstep::verify {

namespace {

using Json = nlohmann::json;

// Sign, digits without zeros at either end, and the power of ten behind them.
std::string number_meaning(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  long exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    exponent = std::strtol(std::string(text.substr(e + 1)).c_str(), nullptr, 10);
    text = text.substr(0, e);
  }
  std::string digits;
  bool behind = false;
  for (const char c : text) {
    if (c == '.') {
      behind = true;
      continue;
    }
    digits += c;
    if (behind) --exponent;
  }
  while (!digits.empty() && digits.back() == '0') {
    digits.pop_back();
    ++exponent;
  }
  digits.erase(0, digits.find_first_not_of('0'));
  if (digits.empty()) return "0";
  return (negative ? "-" : "") + digits + "e" + std::to_string(exponent);
}

// The library takes no number that a double has no room for (1e400), and jsonb does. So numbers go
// through it as strings that begin with a character which jsonb cannot hold.
constexpr std::string_view kNumberMark("\\u0000", 6);

std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return std::min(at + 1, text.size());
}

bool is_json_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at > begin;
  };
  const std::size_t whole = at;
  if (!digits() || (text[whole] == '0' && at > whole + 1)) return false;
  if (at < text.size() && text[at] == '.' && (++at, !digits())) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

std::string with_marked_numbers(std::string_view text) {
  std::string marked;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    if (text[at] == '"') {
      end = end_of_string(text, at);
    } else if (text[at] == '-' || (text[at] >= '0' && text[at] <= '9')) {
      end = std::min(text.find_first_not_of("+-.0123456789eE", at), text.size());
      if (const std::string_view number = text.substr(at, end - at); is_json_number(number)) {
        marked += fmt::format("\"{}{}\"", kNumberMark, number);
        at = end;
        continue;
      }
    }
    marked += text.substr(at, end - at);
    at = end;
  }
  return marked;
}

// The library would make doubles of the numbers; its events still have their texts.
class Meaning : public nlohmann::json_sax<Json> {
 public:
  std::string take() { return std::move(done_); }

  bool null() override { return put("null"); }
  bool boolean(bool value) override { return put(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return put(number_meaning(std::to_string(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return put(number_meaning(std::to_string(value)));
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    return put(number_meaning(text));
  }
  bool string(string_t& value) override {
    if (!value.empty() && value.front() == '\0') return put(number_meaning(value.substr(1)));
    return put(Json(value).dump());
  }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*count*/) override { return open(true); }
  bool start_array(std::size_t /*count*/) override { return open(false); }
  bool key(string_t& name) override {
    open_.back().name = Json(name).dump();
    return true;
  }
  bool end_object() override {
    std::string text = "{";
    for (const auto& [name, value] : open_.back().members)
      text += (text.size() > 1 ? "," : "") + name + ":" + value;
    return close(text + "}");
  }
  bool end_array() override {
    std::string text = "[";
    for (const std::string& value : open_.back().elements)
      text += (text.size() > 1 ? "," : "") + value;
    return close(text + "]");
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

 private:
  struct Open {
    bool object = false;
    std::string name;
    std::map<std::string, std::string> members;
    std::vector<std::string> elements;
  };

  bool open(bool object) {
    open_.push_back({.object = object, .name = {}, .members = {}, .elements = {}});
    return true;
  }
  bool close(std::string text) {
    open_.pop_back();
    return put(std::move(text));
  }
  bool put(std::string text) {
    if (open_.empty())
      done_ = std::move(text);
    else if (open_.back().object)
      open_.back().members[open_.back().name] = std::move(text);
    else
      open_.back().elements.push_back(std::move(text));
    return true;
  }

  std::vector<Open> open_;
  std::string done_;
};

}  // namespace

std::string json_meaning(std::string_view text) {
  Meaning meaning;
  if (!Json::sax_parse(with_marked_numbers(text), &meaning)) return std::string(text);
  return meaning.take();
}

}  // namespace lockstep::verify
