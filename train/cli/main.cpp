#include "train/cli/commands.h"

int main(int argc, char** argv) {
  return resgrad::cli::run(argc, argv);
}
