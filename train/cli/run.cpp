#include "train/cli/run.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <sstream>

#include "train/cli/commands.h"
#include "train/cli/flags.h"
#include "train/cli/help.h"
#include "train/cli/output.h"
#include "train/cli/ranks.h"
#include "train/dist/mpi.h"
#include "train/log/terminal.h"
#include "train/version.h"

namespace resgrad::cli {
namespace {

constexpr int kFailed = 1, kUsage = 2;

std::vector<std::string> known_flags(const CLI::App& app) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) known.push_back(option->get_name(false, true));
  }
  return known;
}

std::vector<std::string> known_subcommands(const CLI::App& app) {
  std::vector<std::string> known;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    known.push_back(sub->get_name());
  }
  return known;
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  wait_for_turn();
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  print_error("resgrad: {}\n", error.what());
  if (chosen.empty()) {
    print_error("known subcommands: {}\n", fmt::join(known_subcommands(app), ", "));
  } else if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    print_error("known flags of {}: {}\n", command.get_name(),
                fmt::join(known_flags(command), ", "));
  }
  print_error("see: resgrad{} --help\n",
              chosen.empty() ? "" : fmt::format(" {}", command.get_name()));
  return kUsage;
}

// --help and --version.
int print_request(const CLI::App& app, const CLI::Success& request) {
  std::ostringstream text;
  const int code = app.exit(request, text, text);
  if (!launch() || launch()->rank == 0) print_text(text.str());
  return code;
}

int failed(std::string_view what) {
  wait_for_turn();
  print_error("{}resgrad: {}\n", speaker(), what);
  return kFailed;
}

std::vector<std::string> arguments;  // of run()

// "--flag=" as the two words "--flag" and "", since CLI11 takes it for a flag without a value. In
// the order that CLI11 takes words: the last one first, without the program's name.
std::vector<std::string> with_empty_values(const std::vector<std::string>& words) {
  std::vector<std::string> reversed;
  for (std::size_t i = words.size(); i-- > 1;) {
    const std::string& word = words[i];
    const bool empty_value = word.starts_with("--") && word.find('=') == word.size() - 1;
    if (empty_value) reversed.emplace_back();
    reversed.push_back(empty_value ? word.substr(0, word.size() - 1) : word);
  }
  return reversed;
}

int parse_and_act() {
  CLI::App app("Trains residual networks on CIFAR-10: autograd, layers and models in C++20.",
               "resgrad");
  app.set_version_flag("--version", std::string("resgrad ") + kVersion);
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.parse_complete_callback([&app] {
    const auto chosen = app.get_subcommands();
    if (!launch() || chosen.empty() || chosen.front()->get_name() == "train") return;
    validation_error(fmt::format("{}: expected one process, got {}: only train shares its work",
                                 chosen.front()->get_name(), launch()->size));
  });
  Action action;
  add_train(app, action);
  add_eval(app, action);
  add_predict(app, action);
  add_compare(app, action);
  add_find_lr(app, action);
  add_export(app, action);
  add_import(app, action);
  add_bench(app, action);
  add_summary(app, action);
  add_gradcheck(app, action);
  add_models(app, action);
  add_info(app, action);
  try {
    app.parse(with_empty_values(arguments));
    return action();
  } catch (const CLI::Success& done) {  // --help, --version
    return print_request(app, done);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  } catch (const std::bad_alloc&) {
    return failed("out of memory");
  } catch (const std::exception& error) {
    return failed(error.what());
  }
}

// Many runs would write to one folder.
int without_mpi() {
  wait_for_turn();
  print_error(
      "resgrad: expected a build with MPI (libopenmpi-dev) under mpirun or srun, got one without, "
      "started as {} processes that know nothing of each other\n",
      launch()->size);
  return kUsage;
}

// Source  https://no-color.org
TerminalStyle style_from_environment() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string_view() : value;
  };
  return {.redraw = variable("TERM") != "dumb", .colour = variable("NO_COLOR").empty()};
}

}  // namespace

std::string shell_quoted(const std::string& word) {
  constexpr const char* kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

const char* const* program_arguments() {
  static std::vector<const char*> words;
  words.clear();
  for (const std::string& argument : arguments) words.push_back(argument.c_str());
  words.push_back(nullptr);
  return words.data();
}

std::string resume_command(const RunOptions& o) {
  const auto given_anew = [](std::string_view flag) {
    return flag == "--resume" || flag == "--output-dir" || flag == "--data-path";
  };
  std::string command;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string flag = arguments[i].substr(0, arguments[i].find('='));
    if (flag == "--overwrite") continue;
    if (!given_anew(flag)) command += shell_quoted(arguments[i]) + ' ';
    if (given_anew(flag) && flag == arguments[i]) ++i;  // its value is the next
  }
  const auto setting = [](const std::string& flag, const std::string& value) {
    return value.starts_with('-') ? shell_quoted(flag + '=' + value)
                                  : flag + ' ' + shell_quoted(value);
  };
  if (!o.data_path.empty()) command += setting("--data-path", o.data_path) + ' ';
  return command + setting("--output-dir", o.output_dir) + " --resume auto";
}

int run(int argc, const char* const* argv) {
  arguments.assign(argv, argv + argc);
  set_terminal_style(style_from_environment());
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is an error of write(), as a full disk is
  open_standard_streams();
  int code = launch() && !has_mpi() ? without_mpi() : parse_and_act();
  if (const std::optional<std::string> error = output_error()) {
    print_error("resgrad: standard output: expected to write all of it, got: {}\n", *error);
    if (code == 0) code = kFailed;
  }
  if (code == kFailed || code == kUsage) end_ranks(code);  // others may wait for this one
  finish_ranks();
  return code;
}

}  // namespace resgrad::cli
