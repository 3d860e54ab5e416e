from celery import shared_task

from portal.sign_in import sessions


@shared_task(name="portal.tasks.forget_ended_sessions")
def forget_ended_sessions() -> None:
    """Keeps its name from when it was in portal/tasks.py: messages may be waiting under it."""
    sessions.forget_ended()
