// What can be wrong with a configuration file.
#pragma once

#include <string>

namespace lockstep::config {

/// One thing wrong with the file.
struct Problem {
  std::string path;  ///< JSON pointer, "/tables/exclude/0"; empty: the whole file
  int line = 0;      ///< from 1
  std::string what;
  std::string todo;  ///< may be empty
};

}  // namespace lockstep::config
