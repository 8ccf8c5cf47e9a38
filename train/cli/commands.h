// The subcommands. Each adds itself with its flags to the command line; its action, which runs
// after parsing, returns the exit code: 0 done, 1 failed, 128 + n stopped by signal n.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace resgrad::cli {

/// What the chosen subcommand does; set by its callback.
using Action = std::function<int()>;

void add_train(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_predict(CLI::App& app, Action& action);
void add_find_lr(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_import(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_summary(CLI::App& app, Action& action);
void add_gradcheck(CLI::App& app, Action& action);
void add_models(CLI::App& app, Action& action);
void add_info(CLI::App& app, Action& action);

}  // namespace resgrad::cli
