#include "config/line_index.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace lockstep::config {

namespace {

class Indexer {
 public:
  explicit Indexer(std::string_view text) : text_(text) {}

  LineIndex take() {
    skip();
    index_.lines[""] = line_;
    value("");
    return std::move(index_);
  }

 private:
  [[nodiscard]] bool at(char wanted) const { return at_ < text_.size() && text_[at_] == wanted; }

  void step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }

  void skip_until(std::string_view end) {
    const std::size_t found = std::min(text_.find(end, at_), text_.size());
    while (at_ < found) step();
  }

  // Blanks and both kinds of comments.
  void skip() {
    while (at_ < text_.size()) {
      if (text_.substr(at_, 2) == "//") {
        skip_until("\n");
      } else if (text_.substr(at_, 2) == "/*") {
        skip_until("*/");
        at_ = std::min(at_ + 2, text_.size());
      } else if (std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
        step();
      } else {
        return;
      }
    }
  }

  std::string_view string_token() {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // How deep it goes has been bounded by the caller.
  void value(const std::string& pointer) {
    if (at('{')) {
      object(pointer);
    } else if (at('[')) {
      array(pointer);
    } else if (at('"')) {
      static_cast<void>(string_token());
    } else {
      while (at_ < text_.size() &&
             std::string_view(",]} \t\r\n/").find(text_[at_]) == std::string_view::npos)
        ++at_;
    }
  }

  void object(const std::string& pointer) {
    std::set<std::string> seen;
    ++at_;
    for (skip(); at_ < text_.size() && !at('}'); skip()) {
      const int line = line_;
      const auto key = nlohmann::json::parse(string_token()).get<std::string>();
      const std::string member = pointer_to(pointer, key);
      if (!seen.insert(key).second) index_.repeated.push_back(member);
      index_.lines[member] = line;
      skip();
      ++at_;  // the colon
      skip();
      value(member);
      skip();
      if (at(',')) ++at_;
    }
    ++at_;
  }

  void array(const std::string& pointer) {
    std::size_t number = 0;
    ++at_;
    for (skip(); at_ < text_.size() && !at(']'); skip()) {
      const std::string element = pointer_to(pointer, std::to_string(number++));
      index_.lines[element] = line_;
      value(element);
      skip();
      if (at(',')) ++at_;
    }
    ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  LineIndex index_;
};

}  // namespace

LineIndex index_lines(std::string_view text) {
  return Indexer(text).take();
}

int line_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  return 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
}

std::string pointer_to(const std::string& parent, std::string_view step) {
  std::string pointer = parent + '/';
  for (const char c : step) {
    if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
  return pointer;
}

}  // namespace lockstep::config
