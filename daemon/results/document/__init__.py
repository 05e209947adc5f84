"""Results without pictures: structured report, presentation state, rejection note.

instance           what every object of ours has; inheritance: what it takes over; uids: its name
structured_report  TID 1500; measurements, references, library (TID 1600), codes
presentation       outlines as a grayscale presentation state
withdrawal         key object selection that rejects results
"""
