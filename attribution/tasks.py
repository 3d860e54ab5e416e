from celery import shared_task

from attribution import loading
from credentials.actor import Actor


@shared_task
def discard_old_previews() -> None:
    loading.discard_old_previews(by=Actor.of_command("discard_old_previews"))
