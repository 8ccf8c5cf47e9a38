// What the subcommands print, and the files that they must not write over.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resgrad::cli {

/// Opens what is closed of standard input, output and error, so that no file of ours takes its
/// number and what is printed. Reading and writing these fails as before. Call first.
void open_standard_streams();

/// Prints to standard output. Never fails: output_error() says at the end what was lost, so that a
/// pipe that is closed early ends no training.
void print_text(std::string_view text);

/// The same with the arguments in the places of a format.
template <class... Args>
void print_out(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}

/// Prints one JSON value and a new line. Bytes that are not UTF-8, which a file name may have and
/// JSON may not, become U+FFFD: this is for reading, not for finding the file again.
void print_json(const nlohmann::ordered_json& json, int indent = 2);

/// Prints to standard error; never fails.
void print_error_text(std::string_view text);

template <class... Args>
void print_error(fmt::format_string<Args...> format, Args&&... args) {
  print_error_text(fmt::format(format, std::forward<Args>(args)...));
}

/// Writes out what waits; nothing when all that was ever printed has arrived, else the reason.
std::optional<std::string> output_error();

/// `flag` is the one that names `output`.
/// Throws  ValueError when `output` is one of the files `inputs`, or a file in one that is a
///         folder: `op` would write over what it reads.
void require_not_read(std::string_view op, std::string_view flag, const std::string& output,
                      const std::vector<std::string>& inputs);

/// Whether `file` is there and lies in `folder` or in a folder below it, links followed.
bool is_below(const std::filesystem::path& file, const std::filesystem::path& folder);

}  // namespace resgrad::cli
