#include "ops/html.hpp"

#include <fmt/format.h>

#include "ops/printable.hpp"

namespace lockstep::ops {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void html_row(std::string& page, const std::vector<std::string>& cells, const char* tag) {
  page += "<tr>";
  for (const std::string& cell : cells) page += fmt::format("<{0}>{1}</{0}>", tag, escaped(cell));
  page += "</tr>\n";
}

std::string html_head(std::string_view title) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<title>{0}</title>\n<style>body{{font:14px sans-serif;"
      "margin:2em}}table{{border-collapse:collapse}}td,th{{border:1px solid #bbb;padding:.2em "
      ".5em;text-align:left;vertical-align:top}}</style>\n</head>\n<body>\n<h1>{0}</h1>\n",
      escaped(title));
}

}  // namespace lockstep::ops
