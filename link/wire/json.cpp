#include "link/wire/json.hpp"

#include <fmt/format.h>

#include "model/error.hpp"

namespace lockstep::wire {

namespace {

constexpr int kDepthMax = 16;  // the deepest of ours, an index term in a welcome, has 9

constexpr std::string_view kDigits = "0123456789abcdef";

/// How many bytes the UTF-8 sequence at the front has; 0 if there is none.
std::size_t sequence_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t bytes = lead < 0xc2   ? 0
                            : lead < 0xe0 ? 2
                            : lead < 0xf0 ? 3
                            : lead < 0xf5 ? 4
                                          : 0;
  if (bytes == 0 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  const bool overlong = (lead == 0xe0 && at(1) < 0xa0) || (lead == 0xf0 && at(1) < 0x90);
  const bool surrogate = lead == 0xed && at(1) >= 0xa0;
  const bool too_large = lead == 0xf4 && at(1) >= 0x90;
  return overlong || surrogate || too_large ? 0 : bytes;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

void throw_unfit(std::string_view body_of, std::string_view why) {
  throw Error({.code = "LS-W504",
               .exit = ExitCode::stopped,
               .what = fmt::format("the body of a {} message cannot be read", body_of),
               .why = std::string(why),
               .data = "nothing of this message was applied",
               .todo = "check that both ends are the same release of lockstep",
               .retry = Retry::new_session});
}

Json parse_json(std::string_view body_of, std::string_view text) {
  const auto bounded = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDepthMax) throw_unfit(body_of, "its JSON is nested too deep");
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), bounded);
  } catch (const Json::exception& error) {
    throw_unfit(body_of, error.what());
  }
}

std::string dump_json(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = sequence_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string to_hex(std::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 0xf];
  }
  return hex;
}

std::optional<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]);
    const int low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

Json exact_text(std::string_view text) {
  if (text.find('\0') == std::string_view::npos && is_utf8(text)) return std::string(text);
  return Json{{"hex", to_hex(text)}};
}

std::string read_exact_text(std::string_view body_of, const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (!json.is_object()) throw_unfit(body_of, "a text is neither a string nor hex");
  auto bytes = from_hex(JsonReader(body_of, json).string("hex"));
  if (!bytes) throw_unfit(body_of, "hex digits do not pair up");
  return *std::move(bytes);
}

std::int64_t read_integer(std::string_view body_of, const Json& json) {
  if (!json.is_number_integer()) throw_unfit(body_of, "a number is not an integer");
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX)
    throw_unfit(body_of, "a number is out of range");
  return json.get<std::int64_t>();
}

std::uint64_t read_count(std::string_view body_of, const Json& json) {
  // What nlohmann parses is unsigned unless it has a sign; what it is given in C++ need not be.
  if (!json.is_number_unsigned()) throw_unfit(body_of, "a count is not a natural number");
  return json.get<std::uint64_t>();
}

bool JsonReader::has(const char* member) const {
  if (!json_.is_object()) throw_unfit(body_of_, "an object is something else");
  const auto found = json_.find(member);
  return found != json_.end() && !found->is_null();
}

JsonReader JsonReader::member(const char* member) const {
  if (!has(member)) throw_unfit(body_of_, fmt::format("\"{}\" is missing", member));
  return {body_of_, *json_.find(member)};
}

std::string JsonReader::string(const char* member) const {
  const Json& found = this->member(member).json();
  if (!found.is_string()) throw_unfit(body_of_, fmt::format("\"{}\" is not a string", member));
  return found.get<std::string>();
}

std::string JsonReader::exact_text(const char* member) const {
  return read_exact_text(body_of_, this->member(member).json());
}

bool JsonReader::boolean(const char* member) const {
  const Json& found = this->member(member).json();
  if (!found.is_boolean())
    throw_unfit(body_of_, fmt::format("\"{}\" is not true or false", member));
  return found.get<bool>();
}

std::int64_t JsonReader::integer(const char* member) const {
  return read_integer(body_of_, this->member(member).json());
}

std::uint64_t JsonReader::count(const char* member) const {
  return read_count(body_of_, this->member(member).json());
}

std::uint32_t JsonReader::table(const char* member) const {
  const std::uint64_t number = count(member);
  if (number > UINT32_MAX) throw_unfit(body_of_, "a table number is out of range");
  return static_cast<std::uint32_t>(number);
}

const Json& JsonReader::array() const {
  if (!json_.is_array()) throw_unfit(body_of_, "an array is something else");
  return json_;
}

Json texts_to_json(const std::vector<std::string>& texts) {
  Json json = Json::array();
  for (const std::string& text : texts) json.push_back(exact_text(text));
  return json;
}

std::vector<std::string> texts_from_json(const JsonReader& from) {
  std::vector<std::string> texts;
  for (const Json& text : from.array()) texts.push_back(read_exact_text(from.body_of(), text));
  return texts;
}

}  // namespace lockstep::wire
