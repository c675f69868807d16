"""Tests of tally.count."""
import unittest

from tally.count import words


class WordsTest(unittest.TestCase):
    """What is a word, and in which order they come."""

    def test_order(self):
        """By number, then by the alphabet."""
        self.assertEqual(words("b a c b"), [("b", 2), ("a", 1), ("c", 1)])

    def test_words(self):
        """Case and punctuation are no difference."""
        self.assertEqual(words("So, so. SO!"), [("so", 3)])

    def test_nothing(self):
        """A text without words."""
        self.assertEqual(words(" -- "), [])


if __name__ == "__main__":
    unittest.main()
