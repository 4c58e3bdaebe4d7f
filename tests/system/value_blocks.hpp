// Reads tests/data/values.sql; its head says what a block may hold.
#pragma once

#include <fmt/format.h>

#include <cctype>
#include <fstream>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::test {

struct Expected {
  std::string table, column, type;
  std::vector<std::string> values;
};

struct Question {
  std::string sql, answer;
};

struct Block {
  int number = 0;
  std::string verdict;             ///< equal, refused, alone
  std::vector<std::string> codes;  ///< before the first trigger; while following
  std::string statement;
  std::string schema, rows, trouble;  ///< SQL; trouble is what stands below --then
  bool has_trouble = false;
  std::vector<std::string> tables;
  std::vector<Expected> expected;
  std::vector<Question> questions;
  std::vector<std::string> said;

  [[nodiscard]] std::string name() const { return fmt::format("{} {}", number, statement); }
  /// SQL after which every row is as it was in the beginning.
  [[nodiscard]] std::string emptied() const {
    std::string sql;
    for (const std::string& table : tables) sql += "DELETE FROM " + table + ";";
    return sql;
  }
};

namespace value_blocks {

/// {1600 columns TEXT} and {1200 values 'x'}: too long to be written out.
inline std::string repeated(std::string text) {
  static const std::regex pattern{R"(\{(\d+) (columns|values) ([^}]*)\})"};
  for (std::smatch found; std::regex_search(text, found, pattern);) {
    std::string list;
    for (int i = 1; i <= std::stoi(found[1]); ++i)
      list += (i > 1 ? ", " : "") + (found[2] == "columns" ? fmt::format("c{} ", i) : "") +
              found[3].str();
    text = found.prefix().str() + list + found.suffix().str();
  }
  return text;
}

inline std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t at; (at = text.find(separator, from)) != std::string::npos;
       from = at + separator.size())
    parts.push_back(text.substr(from, at - from));
  parts.push_back(text.substr(from));
  return parts;
}

/// Values between commas; with a comma in them, or empty, between ~.
inline std::vector<std::string> values_of(std::string text) {
  std::vector<std::string> values;
  while (true) {
    if (text.starts_with('~')) {
      const auto end = text.find('~', 1);
      values.push_back(text.substr(1, end - 1));
      text.erase(0, end + 1);
    } else {
      const auto end = text.find(',');
      values.push_back(text.substr(0, end));
      text.erase(0, values.back().size());
    }
    if (text.empty()) return values;
    text.erase(0, 2);
  }
}

inline Block headed(const std::string& line) {
  const auto bar = line.find(" | ");
  const std::vector<std::string> words = split(line.substr(4, bar - 4), " ");
  Block block;
  block.number = std::stoi(words.at(0));
  block.verdict = words.at(1);
  block.codes.assign(words.begin() + 2, words.end());
  block.statement = line.substr(bar + 3);
  return block;
}

inline Expected expected(const std::string& line) {
  static const std::regex pattern{R"(--= (\w+)\.(\w+) ([a-z0-9() ]+): (.*))"};
  std::smatch found;
  if (!std::regex_match(line, found, pattern)) throw std::runtime_error("not understood: " + line);
  return {.table = found[1], .column = found[2], .type = found[3], .values = values_of(found[4])};
}

inline void add_sql(Block& block, const std::string& statement) {
  static const std::regex table{"^CREATE TABLE (\"([^\"]|\"\")+\"|\\w+)"};
  std::smatch found;
  if (std::regex_search(statement, found, table)) block.tables.push_back(found[1]);
  if (block.has_trouble)
    block.trouble += statement;
  else if (statement.starts_with("CREATE") || statement.starts_with("PRAGMA"))
    block.schema += statement;
  else
    block.rows += statement;
}

}  // namespace value_blocks

inline std::vector<Block> read_blocks(const std::string& path) {
  using namespace value_blocks;
  std::vector<Block> blocks;
  std::ifstream file{path};
  std::string statement;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("--# ")) {
      if (std::isdigit(static_cast<unsigned char>(line[4])) != 0) blocks.push_back(headed(line));
    } else if (blocks.empty() || line.empty() || line.starts_with("-- ")) {
      continue;
    } else if (line == "--then") {
      blocks.back().has_trouble = true;
    } else if (line.starts_with("--= ")) {
      blocks.back().expected.push_back(expected(line));
    } else if (line.starts_with("--? ")) {
      const auto arrow = line.rfind(" => ");
      blocks.back().questions.push_back({line.substr(4, arrow - 4), line.substr(arrow + 4)});
    } else if (line.starts_with("--! ")) {
      blocks.back().said.push_back(line.substr(4));
    } else {
      statement += line + "\n";
      if (!line.ends_with(';')) continue;
      add_sql(blocks.back(), repeated(statement));
      statement.clear();
    }
  }
  return blocks;
}

}  // namespace lockstep::test
