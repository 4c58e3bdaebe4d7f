// Cuts a connection string into its parameters, for dsn.cpp and redact.cpp. Pure. What it throws
// names no part of the text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::postgres {

inline constexpr std::string_view kBlanks = " \t\r\n";

struct GivenParameter {
  std::string name;
  std::string value;
  bool may_be_named =
      true;  ///< false: name and value could be a piece of a password that was not encoded
};

inline constexpr std::string_view kEncodeAdvice =
    "in the password write \"@\" as %40, \"/\" as %2F, \"?\" as %3F, \"%\" as %25, \":\" as %3A, a "
    "blank as %20; or leave it out and use ~/.pgpass or the environment variable PGPASSWORD";

/// Throws Error LS-C101.
[[noreturn]] void throw_bad_dsn(std::string why, std::string_view todo);

[[nodiscard]] bool is_letter_or_digit(char c);  ///< of ASCII
/// Only letters, digits and "_.-", and at most `bytes_max` of them.
[[nodiscard]] bool is_plain_word(std::string_view text, std::size_t bytes_max);
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] bool is_secret_keyword(std::string_view keyword);

[[nodiscard]] bool is_url(std::string_view text);
/// The parameters of a URL: user, password, host, port, dbname, then those of the query. Lists of
/// hosts as libpq has them: "a,b" with ports "5432,5433". Adds a note if the scheme named a driver.
[[nodiscard]] std::vector<GivenParameter> split_url(std::string_view text,
                                                    std::vector<std::string>& notes);
[[nodiscard]] std::vector<GivenParameter> split_conninfo(std::string_view text);

}  // namespace lockstep::postgres
