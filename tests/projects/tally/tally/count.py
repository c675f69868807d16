"""Words, and how often each occurs."""
import collections
import re
import sys

WORD = re.compile(r"\w+")


def words(text):
    """The words of a text with their numbers, the most frequent first, then by the alphabet."""
    numbers = collections.Counter(WORD.findall(text.lower()))
    return sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))


def main():
    """Print the words of standard input, a line each."""
    for word, number in words(sys.stdin.read()):
        print(f"{number:6} {word}")


if __name__ == "__main__":
    main()
