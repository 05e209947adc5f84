"""wristd: receive radiographs, read them, report back.

The path, and the room of each step::

    association -> spool -> ledger -> study complete -> decode -> read -> report -> deliver
    intake/                 |         reading/                           results/  delivery/
                          ledger/

=============  ===========================  ===========================  =====================
step           in -> out                    on disk afterwards           if we die here
=============  ===========================  ===========================  =====================
receive        C-STORE request -> bytes     nothing, or a ``.part``      sender has no answer
                                                                         and sends again
spool          bytes -> a file named by     whole file or none           start-up adopts the
               its hash                                                  orphan file
ledger         study, instance rows, then   file and row                 a resend finds the
               Success                                                   same file, same row
complete       arrivals -> headers,         one job per set of inputs    the next sweep decides
               job                                                       again, same answer
read           files -> scores, evidence    nothing new                  the lease expires, the
                                                                         job is claimed again
report         readings -> SR, SC in the    files and rows               repeated: same UIDs,
               outbox, delivery rows                                     same files
deliver        object x destination         each delivery settled alone  only unsettled ones
                                                                         are sent again
=============  ===========================  ===========================  =====================

Words
-----
study, series, instance : exactly DICOM's.
arrival : an instance accepted, with its time.
spool : the received files.
place : a state folder (spool, outbox) whose host shares the ledger with others; each works with
    what lies in its own. adopt : take over what a place held whose host is gone.
ledger : what the daemon remembers; its queue of jobs is the only queue.
job : one complete study to be read, with its attempts.
claim, lease : a worker's exclusive, expiring hold on a job.
header : all that an image says besides its pixels, read once, in a child process, as one record.
held, released : a study that waits for a person, and one that a person let go.
radiograph : one decoded image with the attributes that matter.
score : calibrated probability in [0, 1] for one finding on one image.
evidence : the map that shows where a score came from (Grad-CAM).
stage, chain : one network of a package, and how several work together on an image.
reading : all scores and evidence of one radiograph, or of one study.
outcome : positive, doubt, negative, or not analysed with its reason.
result : a DICOM object made from a reading (SR or SC).
destination : where results go. delivery : one result at one destination.
commitment : a peer's promise to keep objects (storage commitment): a destination's to us, so that
    we may purge; ours to a modality, so that it may delete.
pull : studies that we ask archives for, as a batch.
quarantine : where objects that cannot be used wait for a person; it has a bound.
steady time : runs evenly whatever the wall clock does; by it everything waits.
quiet period, hard cap : when a study counts as complete.
"""
