#include "data/class_names.h"

#include <fmt/format.h>

#include <map>

namespace resgrad::data {
namespace {

using Names = std::vector<std::string>;

const std::map<std::string, Names, std::less<>> kNames = {
    {"cifar10",
     {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}},
    {"cifar100",
     {"apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
      "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
      "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
      "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
      "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
      "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
      "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
      "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
      "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
      "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
      "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
      "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
      "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
      "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
      "table",       "tank",          "telephone", "television", "tiger",        "tractor",
      "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
      "willow_tree", "wolf",          "woman",     "worm"}},
    {"synthetic",
     {"disc", "ring", "square", "triangle", "cross", "star", "horizontal stripes",
      "vertical stripes", "diagonal stripes", "checkerboard"}}};

}  // namespace

Names class_names(std::string_view dataset, std::int64_t num_classes) {
  const auto found = kNames.find(dataset);
  if (found != kNames.end() && std::ssize(found->second) == num_classes) return found->second;
  Names numbered;
  for (std::int64_t c = 0; c < num_classes; ++c) numbered.push_back(fmt::format("class {}", c));
  return numbered;
}

}  // namespace resgrad::data
